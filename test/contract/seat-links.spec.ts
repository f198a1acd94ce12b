import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GENERATIONS, GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from '../api/problem.js';

interface InstanceJson {
  readonly id: string;
  readonly instance_id: string;
  readonly over_used: boolean;
  readonly seats: Readonly<Record<string, unknown>> | null;
}

describe('a seat link', () => {
  const clock = new FakeClock(new Date('2026-03-10T03:30:00Z'));
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

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

  it('answers with the license and what is to come, in the members that instances know', async () => {
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

  it('makes the instance known, so that its first sync needs no headers', async () => {
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

  it('shows what was reported, and who uses more than was bought, without failing a sync', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer, { seats: 10 });
    const [fair, crowded, seated] = [randomUUID(), randomUUID(), randomUUID()];
    await send(seatLink(licenseKey, fair));
    await send(seatLink(licenseKey, crowded, { billable_users_count: 11 }));
    const add_on_metrics = [{ add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 6 }];
    await send(seatLink(licenseKey, seated, { add_on_metrics }));
    const over = await instances(`license_id=${id}&over_used=true`);
    expect(over.map(({ instance_id }) => instance_id).sort()).toEqual([crowded, seated].sort());
    const [within, ...others] = await instances(`license_id=${id}&over_used=false`);
    expect(others).toEqual([]);
    expect(within).toMatchObject({
      instance_id: fair,
      over_used: false,
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

  it('accepts what older clients send: a key and nothing else', async () => {
    const { licenseKey } = await registerLicense(issuer);
    expect((await send({ license_key: licenseKey })).status).toBe(200);
  });

  it('answers an instance that has no UUID as one that sends none, and remembers nothing of it', async () => {
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

  it.each([{ purchased_seats: null }, { add_on_type: null }])(
    'passes over a metric of %j, which the newest clients send after a downgrade',
    async (nothing) => {
      const { id, licenseKey } = await registerLicense(issuer);
      const metric = { add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 4 };
      const add_on_metrics = [{ ...metric, ...nothing }, metric];
      expect((await send(seatLink(licenseKey, randomUUID(), { add_on_metrics }))).status).toBe(200);
      const [instance] = await instances(`license_id=${id}`);
      expect(instance?.seats).toMatchObject({ add_on_metrics: [metric] });
    },
  );

  it.each([
    ['no license has the key', JSON.stringify({ license_key: 'x'.repeat(40) })],
    ['the body is no JSON', '{'],
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

  it('tells of a cancellation by the key that was registered for it, else refuses', async () => {
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

  it('tells of no cancellation by the key of the license itself, however it is written', async () => {
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
    ['is no text', 5],
    ['is too short', 'vendors-expired'],
    ['is too long', 'x'.repeat(65_537)],
  ])('says what a cancellation key must be when one %s', async (_case, license_key) => {
    const { id } = await registerLicense(issuer);
    const response = await issuer.admin('PUT', `licenses/${id}/cancellation_key`, { license_key });
    const place = ['#/license_key'];
    const { errors } = await expectProblem(response, 422, 'VALIDATION_FAILED', place);
    expect(errors?.[0]?.detail).toMatch(/^must be a text of at least 16 and at most 65536 char/);
  });

  it('takes no blanks for a cancellation key', async () => {
    const { id } = await registerLicense(issuer);
    const body = { license_key: ` ${'x'.repeat(15)}\n` };
    const response = await issuer.admin('PUT', `licenses/${id}/cancellation_key`, body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
  });

  it('never says the key that it refuses, in an answer or in the log', async () => {
    const key = `secret-${randomUUID()}`;
    const { text } = await send(seatLink(key, randomUUID(), { billable_users_count: key }));
    expect(text + issuer.logs.join('\n')).not.toContain(key);
  });
});
