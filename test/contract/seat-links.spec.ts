import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { Client } from 'pg';
import { InstanceSightings } from '../../src/instances/instance-sightings.js';
import { expectProblem } from '../api/problem.js';
import {
  recordNamespacePurchase,
  registerLicense,
  registerPaidLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GENERATIONS, GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY = 86_400_000;
const NOW = '2026-03-10T03:30:00.000Z';
const WRITERS = 64;
const SEATS = 10;

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('a seat link', () => {
  interface InstanceJson {
    readonly id: string;
    readonly instance_uuid: string;
    readonly seats_exceeded: boolean;
    readonly seats: Readonly<Record<string, unknown>> | null;
  }

  beforeAll(() => {
    clock.set('2026-03-10T03:30:00Z');
  });

  async function send(body: unknown): Promise<{ status: number; text: string; json: unknown }> {
    const response = await fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    expect(response.headers.get('content-type')).toBe('application/json');
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) };
  }
  function seatLink(license_key: string, instance_id: string, about: object = {}): object {
    return {
      gitlab_version: '18.6.0-ee',
      timestamp: clock.now().toISOString(),
      license_key,
      max_historical_user_count: 12,
      billable_users_count: 10,
      hostname: 'gitlab.example.com',
      instance_id,
      add_on_metrics: [{ add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 4 }],
      ...about,
    };
  }
  async function instances(query: string): Promise<readonly InstanceJson[]> {
    const response = await issuer.admin('GET', `instances?${query}`);
    return ((await response.json()) as { items: InstanceJson[] }).items;
  }

  it('answers with the license and the future ones, in the members that instances know', async () => {
    const customer_ref = randomUUID();
    const { licenseKey } = await registerLicense(issuer, { customer_ref });
    const about = { starts_on: '2027-01-01', expires_on: '2028-01-01', customer_ref };
    await registerLicense(issuer, about);
    const { status, json } = await send(seatLink(` ${licenseKey}\r\n`, randomUUID(), { new: 1 }));
    expect({ status, json }).toEqual({
      status: 200,
      json: {
        license: licenseKey,
        next_reconciliation_date: null,
        display_alert_from: null,
        future_subscriptions: [
          {
            cloud_license_enabled: true,
            offline_cloud_license_enabled: false,
            plan: 'ultimate',
            company: null,
            email: null,
            name: null,
            starts_at: '2027-01-01',
            expires_at: '2028-01-01',
            users_in_license_count: 100,
          },
        ],
        new_subscription: true,
      },
    });
  });

  it('registers the instance, so that its first sync needs no headers', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const instanceId = randomUUID();
    const unique_instance_id = randomUUID();
    await send(seatLink(licenseKey, instanceId, { unique_instance_id }));
    const script = GENERATIONS['the documented script'];
    const { token } = await new GitlabInstance(issuer.url, { licenseKey }, script).serviceToken();
    expect(decodeJwt(token)).toMatchObject({
      sub: instanceId,
      gitlab_instance_uid: unique_instance_id,
    });
  });

  it('shows what was reported, and over-use, without failing a sync', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer, { seats: 10 });
    const [fair, crowded, seated] = [randomUUID(), randomUUID(), randomUUID()];
    await send(seatLink(licenseKey, fair));
    await send(seatLink(licenseKey, crowded, { billable_users_count: 11 }));
    const add_on_metrics = [{ add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 6 }];
    await send(seatLink(licenseKey, seated, { add_on_metrics }));
    const over = await instances(`license_id=${id}&seats_exceeded=true`);
    expect(over.map(({ instance_uuid }) => instance_uuid).sort()).toEqual([crowded, seated].sort());
    const [within, ...others] = await instances(`license_id=${id}&seats_exceeded=false`);
    expect(others).toEqual([]);
    expect(within).toMatchObject({
      instance_uuid: fair,
      seats_exceeded: false,
      seats: {
        reported_at: clock.now().toISOString(),
        billable_users_count: 10,
        max_historical_user_count: 12,
        add_on_metrics: [{ add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 4 }],
      },
    });
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: crowded });
    expect((await client.sync()).effect).toBe('stores the token');
  });

  it('keeps the newest report, whichever comes last', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const instanceId = randomUUID();
    await send(seatLink(licenseKey, instanceId, { billable_users_count: 9 }));
    const timestamp = new Date(clock.now().getTime() - 60_000).toISOString();
    await send(seatLink(licenseKey, instanceId, { billable_users_count: 3, timestamp }));
    const [instance] = await instances(`license_id=${id}`);
    expect(instance?.seats).toMatchObject({ billable_users_count: 9 });
  });

  it('accepts a key alone, which is all that older clients send', async () => {
    const { licenseKey } = await registerLicense(issuer);
    expect((await send({ license_key: licenseKey })).status).toBe(200);
  });

  it('answers an instance with an invalid UUID like one without, and stores nothing of it', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const { status, json } = await send(seatLink(licenseKey, 'not set'));
    expect({ status, json }).toMatchObject({ status: 200, json: { license: licenseKey } });
    expect(await instances(`license_id=${id}`)).toEqual([]);
  });

  it('names every member that cannot be read', async () => {
    const { licenseKey } = await registerLicense(issuer);
    const answer = await send({
      license_key: licenseKey,
      timestamp: 'yesterday',
      billable_users_count: '10',
      max_historical_user_count: true,
      instance_id: 7,
      add_on_metrics: [{ add_on_type: 'duo_pro' }],
    });
    expect(answer.status).toBe(422);
    const { errors, error_attribute_map } = answer.json as {
      errors: string[];
      error_attribute_map: object;
    };
    expect(error_attribute_map).toEqual({});
    expect(errors.map((line) => line.split(' ')[0]).sort()).toEqual([
      'add_on_metrics',
      'billable_users_count',
      'instance_id',
      'max_historical_user_count',
      'timestamp',
    ]);
  });

  it.each([
    { purchased_seats: null },
    { add_on_type: null },
    { assigned_seats: null },
    { purchased_seats: null, add_on_type: null, assigned_seats: null },
  ])(
    'passes over a metric of %j, which the newest clients send after a downgrade',
    async (nothing) => {
      const { id, licenseKey } = await registerLicense(issuer);
      const metric = { add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 4 };
      const add_on_metrics = [{ ...metric, ...nothing }, null, metric];
      expect((await send(seatLink(licenseKey, randomUUID(), { add_on_metrics }))).status).toBe(200);
      const [instance] = await instances(`license_id=${id}`);
      expect(instance?.seats).toMatchObject({ add_on_metrics: [metric] });
    },
  );

  describe('of a license that another one renews', () => {
    const NEXT = { starts_on: '2026-03-01', expires_on: '2027-03-01' };
    /** The license that runs out, and the one that renews it. */
    async function renewed(old: object = {}, renewal: object = {}) {
      const first = await registerLicense(issuer, { expires_on: '2026-03-01', ...old });
      const about = { ...NEXT, ...renewal, renews_license_id: first.id };
      return { old: first, next: await registerPaidLicense(issuer, about) };
    }
    const answerTo = async ({ licenseKey }: { licenseKey: string }, instance = randomUUID()) => {
      const { status, json } = await send(seatLink(licenseKey, instance));
      return { status, ...(json as { license?: string; errors?: string[] }) };
    };

    it('is answered with the renewal once that has started, in the grace and after it', async () => {
      const { old, next } = await renewed();
      expect(await answerTo(old)).toMatchObject({
        status: 200,
        license: next.licenseKey,
        future_subscriptions: [],
        new_subscription: false,
      });
      const { old: long_over, next: running } = await renewed({ expires_on: '2026-01-02' });
      expect((await answerTo(long_over)).license).toBe(running.licenseKey);
    });

    it('is answered with its own key before that, with the renewal as a future subscription', async () => {
      const starts_on = '2026-03-11';
      const { old, next } = await renewed({}, { starts_on });
      const future_subscriptions = [{ starts_at: starts_on }];
      expect(await answerTo(old)).toMatchObject({ license: old.licenseKey, future_subscriptions });
      clock.advance(DAY);
      expect((await answerTo(old)).license).toBe(next.licenseKey);
      clock.set(NOW);
    });

    it('is answered with the newest that has started of a longer line', async () => {
      const { old, next } = await renewed();
      const newer = await registerLicense(issuer, {
        ...{ starts_on: '2026-03-05', renews_license_id: next.id },
      });
      const coming = { starts_on: '2027-03-01', expires_on: '2028-03-01' };
      await registerLicense(issuer, { ...coming, renews_license_id: newer.id });
      for (const one of [old, next, newer]) {
        expect(await answerTo(one)).toMatchObject({
          license: newer.licenseKey,
          future_subscriptions: [{ starts_at: '2027-03-01' }],
        });
      }
    });

    it.each([
      ['was revoked', {}, true],
      ['is a legacy license', { kind: 'legacy' }, false],
      ['is past its grace', { starts_on: '2026-02-01', expires_on: '2026-02-02' }, false],
    ])('is not answered with a renewal that %s', async (_what, renewal, revoked) => {
      const { old, next } = await renewed({}, renewal);
      if (revoked) await issuer.admin('POST', `licenses/${next.id}/revoke`);
      expect((await answerTo(old)).license).toBe(old.licenseKey);
      const behind = await registerLicense(issuer, { ...NEXT, renews_license_id: next.id });
      expect((await answerTo(old)).license).toBe(behind.licenseKey);
    });

    it('learns nothing about the renewal when it is revoked itself', async () => {
      const { old, next } = await renewed();
      await registerLicense(issuer, { starts_on: '2026-04-01', renews_license_id: next.id });
      await issuer.admin('POST', `licenses/${old.id}/revoke`);
      const { status, errors } = await answerTo(old);
      expect({ status, errors }).toEqual({
        status: 422,
        errors: ['This license was revoked: ask your vendor for a new one.'],
      });
      const cancelled = 'an expired license that says it was cancelled';
      const path = `licenses/${old.id}/cancellation_key`;
      await issuer.admin('PUT', path, { license_key: cancelled });
      expect(await answerTo(old)).toMatchObject({ license: cancelled, future_subscriptions: [] });
    });

    it('says so when it is past its grace and the renewal has not started', async () => {
      const { old } = await renewed({ expires_on: '2026-02-01' }, { starts_on: '2026-04-01' });
      const { status, errors } = await answerTo(old);
      expect(status).toBe(422);
      expect(errors?.[0]).toContain('a newer license renews it from 2026-04-01 (UTC) on');
    });

    it('counts for the old license, and lets the instance sync with the new key at once', async () => {
      const { old, next } = await renewed();
      const instance = randomUUID();
      await answerTo(old, instance);
      expect(await instances(`license_id=${old.id}`)).toMatchObject([
        { instance_uuid: instance, seats: { billable_users_count: 10 } },
      ]);
      expect(await instances(`license_id=${next.id}`)).toMatchObject([
        { instance_uuid: instance, seats: null },
      ]);
      const script = GENERATIONS['the documented script'];
      const client = new GitlabInstance(issuer.url, { licenseKey: next.licenseKey }, script);
      expect(decodeJwt((await client.serviceToken()).token).sub).toBe(instance);
      await answerTo(old, instance);
    });

    it('leaves no key in the log', async () => {
      const { old, next } = await renewed();
      await answerTo(old);
      expect(issuer.logs.join('\n')).not.toContain(next.licenseKey);
    });
  });

  it.each([
    ['nulls', null],
    ['empty texts', ''],
  ])('takes %s for what an instance does not know', async (_what, nothing) => {
    const { licenseKey } = await registerLicense(issuer);
    const members = Object.keys(seatLink('', '')).filter((name) => name !== 'license_key');
    const unknown = Object.fromEntries(
      [...members, 'date', 'unique_instance_id'].map((name) => [name, nothing]),
    );
    const answer = await send({ ...unknown, license_key: licenseKey });
    expect(answer).toMatchObject({ status: 200, json: { license: licenseKey } });
  });

  it.each(['2026-03-10', '2026-03-10 03:00:00 UTC', '2026-03-10T04:00:00.123456+01:00'])(
    'takes the timestamp %s, a form in which Ruby writes one',
    async (timestamp) => {
      const { licenseKey } = await registerLicense(issuer);
      const answer = await send(seatLink(licenseKey, randomUUID(), { timestamp }));
      expect(answer.status).toBe(200);
    },
  );

  it.each([
    ['no license has the key', JSON.stringify({ license_key: 'x'.repeat(40) })],
    ['the body is not JSON', '{'],
    ['the body is a list', '[]'],
    ['there is no key', '{}'],
  ])('refuses in its own shape when %s', async (_case, body) => {
    const { status, json } = await send(body);
    expect(status).toBe(422);
    expect(json).toEqual({
      errors: [expect.stringMatching(/.{10,}/) as string],
      error_attribute_map: {},
    });
  });

  it('announces a cancellation with the registered cancellation key, and refuses without one', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await issuer.admin('POST', `licenses/${id}/revoke`);
    expect((await send(seatLink(licenseKey, randomUUID()))).status).toBe(422);
    const cancelled = 'an expired license that says it was cancelled';
    const path = `licenses/${id}/cancellation_key`;
    expect((await issuer.admin('PUT', path, { license_key: cancelled })).status).toBe(204);
    const { status, json } = await send(seatLink(licenseKey, randomUUID()));
    expect({ status, json }).toMatchObject({ status: 200, json: { license: cancelled } });
    expect(issuer.logs.join('\n')).not.toContain(cancelled);
    expect((await issuer.admin('DELETE', path)).status).toBe(204);
    expect((await send(seatLink(licenseKey, randomUUID()))).status).toBe(422);
  });

  it('never announces a cancellation with the key of the license itself, however it is written', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const path = `licenses/${id}/cancellation_key`;
    for (const license_key of [licenseKey, ` ${licenseKey}\r\n`]) {
      const refused = await issuer.admin('PUT', path, { license_key });
      await expectProblem(refused, 422, 'VALIDATION_FAILED', ['#/license_key']);
    }
    await issuer.admin('POST', `licenses/${id}/revoke`);
    expect((await send(seatLink(licenseKey, randomUUID()))).status).toBe(422);
    // The vendor's key for a cancellation may be registered here as a license of its own.
    const { licenseKey: vendors } = await registerLicense(issuer);
    expect((await issuer.admin('PUT', path, { license_key: vendors })).status).toBe(204);
  });

  it.each([
    ['is not a text', 5],
    ['is too short', 'vendors-expired'],
    ['is too long', 'x'.repeat(65_537)],
  ])('says what a cancellation key must be when one %s', async (_case, license_key) => {
    const { id } = await registerLicense(issuer);
    const response = await issuer.admin('PUT', `licenses/${id}/cancellation_key`, { license_key });
    const place = ['#/license_key'];
    const { errors } = await expectProblem(response, 422, 'VALIDATION_FAILED', place);
    expect(errors?.[0]?.detail).toMatch(/^must be a text of at least 16 and at most 65536 char/);
  });

  it('refuses blanks as a cancellation key', async () => {
    const { id } = await registerLicense(issuer);
    const body = { license_key: ` ${'x'.repeat(15)}\n` };
    const response = await issuer.admin('PUT', `licenses/${id}/cancellation_key`, body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
  });

  it('never repeats a refused key, in an answer or in the log', async () => {
    const key = `secret-${randomUUID()}`;
    const { text } = await send(seatLink(key, randomUUID(), { billable_users_count: key }));
    expect(text + issuer.logs.join('\n')).not.toContain(key);
  });
});

describe('a seat link whose numbers cannot be true', () => {
  interface InstanceJson {
    readonly host_name: string | null;
    readonly gitlab_version: string | null;
    readonly unique_instance_id: string | null;
    readonly last_seat_link_at: string | null;
    readonly seats_exceeded: boolean;
    readonly seats: Readonly<Record<string, unknown>> | null;
    readonly suspicions: readonly { readonly reason: string; readonly since: string }[];
    readonly absurd_seat_link: {
      readonly received_at: string;
      readonly reported_at: string;
      readonly host_name: string | null;
      readonly numbers: readonly { readonly name: string; readonly value: string }[];
    } | null;
  }
  let id: string;
  let licenseKey: string;
  let instanceId: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.set(NOW);
    instanceId = randomUUID();
    ({ id, licenseKey } = await registerLicense(issuer, { seats: 10 }));
  });

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
        seats_exceeded: false,
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
      seats_exceeded: true,
      seats: { billable_users_count: 1000 },
      absurd_seat_link: null,
    });
    await send(users('1001'));
    expect((await instance())?.absurd_seat_link).not.toBeNull();
  });

  it('can be about an add-on, and shows only the impossible numbers', async () => {
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
    expect((await instance())?.suspicions).toMatchObject([
      { reason: 'ABSURD_SEAT_LINK', since: NOW },
    ]);
    clock.advance(14 * DAY);
    expect(await instance()).toMatchObject({ suspicions: [], absurd_seat_link: null });
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
  ])(
    'does not include %s users, which is not a number and is refused by name',
    async (sent, name) => {
      const { status, json } = await send(users(sent));
      expect(status).toBe(422);
      expect(json['errors']).toEqual([`${name} must be a number`]);
    },
  );

  it('is not one without numbers', async () => {
    const nothing = '"billable_users_count": null, "max_historical_user_count": null';
    expect((await send(nothing)).status).toBe(200);
    expect((await instance())?.absurd_seat_link).toBeNull();
  });
});

describe('64 writers on 10 seats', () => {
  let issuer: TestIssuer;
  beforeEach(async () => {
    issuer = await startTestIssuer({ environment: { DATABASE_POOL_SIZE: '40' } });
  });
  afterEach(() => issuer.stop());

  /** A busy machine may shed a request; its writer sends it again. */
  async function assign(path: string, user: string): Promise<number> {
    for (;;) {
      const { status } = await issuer.admin('POST', path, { user_ids: [user] });
      if (status !== 503) return status;
    }
  }
  /** Each asks for a seat for a user of its own. @returns the statuses, counted */
  async function write(): Promise<{ readonly statuses: Record<number, number>; held: number }> {
    const days = { started_at: null, expires_on: '9999-01-01' };
    const purchase = await recordNamespacePurchase(issuer, '9', { quantity: SEATS, ...days });
    const path = `add_on_purchases/${purchase.id}/seat_assignments`;
    const answers = await Promise.all(
      Array.from({ length: WRITERS }, (_, user) => assign(path, String(user))),
    );
    const statuses: Record<number, number> = {};
    for (const status of answers) statuses[status] = (statuses[status] ?? 0) + 1;
    const list = await issuer.admin('GET', `${path}?per_page=100`);
    return { statuses, held: ((await list.json()) as { items: unknown[] }).items.length };
  }

  it('get ten, and no eleventh', async () => {
    expect(await write()).toEqual({ statuses: { 201: 10, 409: 54 }, held: 10 });
  });

  it('get more without the constraint: nothing else limits them', async () => {
    const client = new Client({ connectionString: issuer.database.url });
    await client.connect();
    await client.query(
      'ALTER TABLE add_on_purchases DROP CONSTRAINT add_on_purchases_assigned_seats_check',
    );
    await client.end();
    expect(await write()).toEqual({ statuses: { 201: WRITERS }, held: WRITERS });
  });
});
