import { randomUUID } from 'node:crypto';
import { InstanceSightings } from '../../src/instances/instance-sightings.js';
import { registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY = 86_400_000;
const NOW = '2026-03-10T03:30:00.000Z';

interface InstanceJson {
  readonly host_name: string | null;
  readonly gitlab_version: string | null;
  readonly unique_instance_id: string | null;
  readonly last_seat_link_at: string | null;
  readonly over_used: boolean;
  readonly seats: Readonly<Record<string, unknown>> | null;
  readonly suspicious: readonly { readonly reason: string; readonly since: string }[];
  readonly absurd_seat_link: {
    readonly received_at: string;
    readonly reported_at: string;
    readonly host_name: string | null;
    readonly numbers: readonly { readonly name: string; readonly value: string }[];
  } | null;
}

describe('a seat link whose numbers cannot be true', () => {
  const clock = new FakeClock(new Date(NOW));
  let issuer: TestIssuer;
  let id: string;
  let licenseKey: string;
  let instanceId: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    clock.set(NOW);
    instanceId = randomUUID();
    ({ id, licenseKey } = await registerLicense(issuer, { seats: 10 }));
  });
  afterAll(() => issuer.stop());

  const flush = () => issuer.running.app.get(InstanceSightings).flush();
  async function instance(): Promise<InstanceJson | undefined> {
    const response = await issuer.admin('GET', `instances?license_id=${id}`);
    return ((await response.json()) as { items: InstanceJson[] }).items[0];
  }
  /** `numbers` is JSON text: some numbers have no other form. */
  async function send(numbers: string, about: object = {}) {
    const body = {
      license_key: licenseKey,
      instance_id: instanceId,
      hostname: 'gitlab.example.com',
      gitlab_version: '18.6.0',
      timestamp: '2026-03-10T03:00:00Z',
      ...about,
    };
    const response = await fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `${JSON.stringify(body).slice(0, -1)}, ${numbers}}`,
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  }
  const users = (billable: string) => `"billable_users_count": ${billable}`;

  it.each([
    ['-1', '-1'],
    ['1.5', '1.5'],
    ['2147483648', '2147483648'],
    ['1e308', '1e+308'],
    ['1e999', 'Infinity'],
    ['1001', '1001'],
  ])(
    'is answered like any other with %s users, and leaves the counts as they were',
    async (sent, value) => {
      await send(users('9'));
      const before = await instance();
      clock.advance(DAY);
      const { status, json } = await send(users(sent), {
        hostname: 'elsewhere.example.com',
        gitlab_version: '17.0.0',
        unique_instance_id: randomUUID(),
      });
      expect({ status, json }).toMatchObject({ status: 200, json: { license: licenseKey } });
      const after = await instance();
      expect(after?.seats).toEqual({ ...before?.seats, billable_users_count: 9 });
      expect(after).toMatchObject({
        host_name: 'gitlab.example.com',
        gitlab_version: '18.6.0',
        unique_instance_id: null,
        last_seat_link_at: before?.last_seat_link_at,
        over_used: false,
        absurd_seat_link: {
          received_at: '2026-03-11T03:30:00.000Z',
          reported_at: '2026-03-10T03:00:00.000Z',
          host_name: 'elsewhere.example.com',
          numbers: [{ name: 'billable_users_count', value }],
        },
      });
    },
  );

  it('is one of 101 users for each seat; 100 are over-use', async () => {
    await send(users('1000'));
    expect(await instance()).toMatchObject({
      over_used: true,
      seats: { billable_users_count: 1000 },
      absurd_seat_link: null,
    });
    await send(users('1001'));
    expect((await instance())?.absurd_seat_link).not.toBeNull();
  });

  it('is one of an add-on too, and says what cannot be true alone', async () => {
    const metrics = '[{"add_on_type":"duo_pro","purchased_seats":5,"assigned_seats":-3}]';
    const { status } = await send(`${users('9')}, "add_on_metrics": ${metrics}`);
    expect(status).toBe(200);
    const { absurd_seat_link, seats } = (await instance()) ?? {};
    expect(absurd_seat_link?.numbers).toEqual([{ name: 'duo_pro assigned_seats', value: '-3' }]);
    expect(seats).toBeNull();
  });

  it('makes the instance suspicious, for 14 days', async () => {
    await send(users('-1'));
    await flush();
    const warned = issuer.logs.filter((line) => line.includes('ABSURD_SEAT_LINK'));
    expect(warned.filter((line) => line.includes(id))).toHaveLength(1);
    expect((await instance())?.suspicious).toMatchObject([
      { reason: 'ABSURD_SEAT_LINK', since: NOW },
    ]);
    clock.advance(14 * DAY);
    expect(await instance()).toMatchObject({ suspicious: [], absurd_seat_link: null });
  });

  it('is counted apart', async () => {
    await send(users('-1'));
    const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
    expect(metrics).toMatch(/issuer_seat_links_total\{outcome="kept_apart",code=""\} [1-9]/);
  });

  it.each([
    ['"12"', 'billable_users_count'],
    ['true', 'billable_users_count'],
    ['{}', 'billable_users_count'],
  ])('is not one of %s users, which is no number: that is refused by name', async (sent, name) => {
    const { status, json } = await send(users(sent));
    expect(status).toBe(422);
    expect(json['errors']).toEqual([`${name} must be a number`]);
  });

  it('is not one without numbers', async () => {
    const nothing = '"billable_users_count": null, "max_historical_user_count": null';
    expect((await send(nothing)).status).toBe(200);
    expect((await instance())?.absurd_seat_link).toBeNull();
  });
});
