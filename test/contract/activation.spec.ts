import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { adminPoolSize, Database } from '../../src/database/database.js';
import { ACTIVATE, activate } from '../support/activation.js';
import { makeActivationCode, registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GENERATIONS, GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { select } from './ledger.js';

const KEY = 'a license key that a vendor made\nover two lines';

describe('an activation', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  async function codeOf(about: Readonly<Record<string, unknown>> = {}, license = {}) {
    const { id, licenseKey } = await registerPaidLicense(issuer, license);
    return { licenseId: id, licenseKey, ...(await makeActivationCode(issuer, id, about)) };
  }
  function instancesOf(licenseId: string): Promise<{ instance_uuid: string }[]> {
    const sql = 'SELECT instance_uuid FROM instances WHERE license_id = $1';
    return select<{ instance_uuid: string }>(issuer, sql, [licenseId]);
  }

  async function metric(line: string): Promise<number> {
    const text = await (await fetch(`${issuer.url}/-/metrics`)).text();
    const found = text.split('\n').find((one) => one.startsWith(line));
    return Number(found?.split(' ').at(-1) ?? 0);
  }

  it('answers with the license key as it was registered', async () => {
    const registered = await codeOf({}, { license_key: KEY });
    const answer = await activate(issuer, registered.code, randomUUID());
    expect(answer).toMatchObject({
      status: 200,
      payload: { licenseKey: KEY, futureSubscriptions: [], newSubscription: true, errors: [] },
    });
    const generated = await codeOf();
    const { payload } = await activate(issuer, ` ${generated.code}\n`, randomUUID());
    expect(payload?.licenseKey).toBe(generated.licenseKey);
  });

  it('registers the instance, so that its first sync needs no headers', async () => {
    const { code, licenseKey } = await codeOf();
    const instanceId = randomUUID().toUpperCase();
    const uniqueInstanceId = randomUUID();
    await activate(issuer, code, instanceId, { uniqueInstanceId });
    const script = GENERATIONS['the documented script'];
    const client = new GitlabInstance(issuer.url, { licenseKey }, script);
    const { token } = await client.serviceToken();
    expect(decodeJwt(token)).toMatchObject({
      sub: instanceId,
      gitlab_instance_uid: uniqueInstanceId,
    });
  });

  it('gives the same instance the same answer again, and another one a clear error', async () => {
    const { code, licenseId } = await codeOf({ max_uses: 1 });
    const instanceId = randomUUID();
    const first = await activate(issuer, code, instanceId);
    expect((await activate(issuer, code, instanceId)).text).toBe(first.text);
    const { status, payload } = await activate(issuer, code, randomUUID());
    expect(status).toBe(200);
    expect(payload).toEqual({
      licenseKey: null,
      futureSubscriptions: null,
      newSubscription: null,
      errors: [expect.stringContaining('Other instances have used')],
    });
    expect(await instancesOf(licenseId)).toEqual([{ instance_uuid: instanceId }]);
  });

  it('allows exactly as many uses as the code has, also when many come at once', async () => {
    const { code, licenseId } = await codeOf({ max_uses: 3 });
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => activate(issuer, code, randomUUID())),
    );
    const won = answers.filter(({ payload }) => payload?.licenseKey !== null);
    expect(won).toHaveLength(3);
    expect(await instancesOf(licenseId)).toHaveLength(3);
  });

  it('accepts a code until it expires, and later from an instance that has used it', async () => {
    const expires_at = new Date(clock.now().getTime() + 3_600_000).toISOString();
    const { code } = await codeOf({ max_uses: 5, expires_at });
    const early = randomUUID();
    clock.set(new Date(Date.parse(expires_at) - 1));
    expect((await activate(issuer, code, early)).payload?.errors).toEqual([]);
    clock.set(new Date(expires_at));
    expect((await activate(issuer, code, randomUUID())).payload?.errors).toEqual([
      `This activation code expired on ${expires_at}: ask for another code.`,
    ]);
    expect((await activate(issuer, code, early)).payload?.errors).toEqual([]);
  });

  it.each([
    ['the code is unknown', () => 'a'.repeat(24), 'not registered here'],
    ['the code is a license key', () => 'x'.repeat(64), 'not registered here'],
  ])('refuses when %s', async (_case, code, message) => {
    const { payload } = await activate(issuer, code(), randomUUID());
    expect(payload?.licenseKey).toBeNull();
    expect(payload?.errors).toEqual([expect.stringContaining(message)]);
  });

  it('refuses a revoked code to everybody, and codes of a revoked license', async () => {
    const instanceId = randomUUID();
    const { id, code } = await codeOf({ max_uses: 2 });
    await activate(issuer, code, instanceId);
    expect((await issuer.admin('DELETE', `activation_codes/${id}`)).status).toBe(200);
    for (const instance of [instanceId, randomUUID()]) {
      const { payload } = await activate(issuer, code, instance);
      expect(payload?.errors).toEqual([expect.stringContaining('was revoked')]);
    }
    const other = await codeOf();
    await issuer.admin('POST', `licenses/${other.licenseId}/revoke`);
    const { payload } = await activate(issuer, other.code, instanceId);
    expect(payload?.errors).toEqual([expect.stringContaining('This license was revoked')]);
    expect(await instancesOf(other.licenseId)).toEqual([]);
  });

  it('refuses an instance without a UUID', async () => {
    const { code } = await codeOf();
    const { payload } = await activate(issuer, code, 'not set');
    expect(payload?.errors).toEqual([expect.stringContaining('instanceIdentifier')]);
  });

  it('lists the future licenses of the same customer, and no others', async () => {
    const customer_ref = `customer-${randomUUID()}`;
    const { code } = await codeOf({}, { customer_ref });
    const next = { starts_on: '2027-01-01', expires_on: '2028-01-01' };
    await registerLicense(issuer, { ...next, customer_ref, kind: 'offline_cloud', seats: 7 });
    await registerLicense(issuer, { ...next, licensee: { email: 'ada@example.com' } });
    const { payload } = await activate(issuer, code, randomUUID());
    expect(payload?.futureSubscriptions).toEqual([
      {
        cloudLicenseEnabled: true,
        offlineCloudLicenseEnabled: true,
        plan: 'ultimate',
        company: null,
        email: null,
        name: null,
        startsAt: '2027-01-01',
        expiresAt: '2028-01-01',
        usersInLicenseCount: 7,
      },
    ]);
  });

  it('lists the renewals of the license that have not started, without a customer', async () => {
    const { code, licenseId, licenseKey } = await codeOf({ max_uses: 2 });
    const days = { starts_on: '2026-12-01', expires_on: '2027-12-01' };
    const renewal = await registerLicense(issuer, { ...days, renews_license_id: licenseId });
    const later = { starts_on: '2027-12-01', expires_on: '2028-12-01' };
    await registerLicense(issuer, { ...later, renews_license_id: renewal.id });
    const starts = async () => {
      const { payload } = await activate(issuer, code, randomUUID());
      expect(payload?.licenseKey).toBe(licenseKey);
      return payload?.futureSubscriptions?.map(({ startsAt }) => startsAt);
    };
    expect(await starts()).toEqual(['2026-12-01', '2027-12-01']);
    await issuer.admin('POST', `licenses/${renewal.id}/revoke`);
    expect(await starts()).toEqual(['2027-12-01']);
  });

  it('says that there is a renewal when the license is past its grace', async () => {
    const { code, licenseId } = await codeOf({}, { expires_on: '2026-02-01' });
    await registerLicense(issuer, { starts_on: '2026-02-01', renews_license_id: licenseId });
    const { payload } = await activate(issuer, code, randomUUID());
    expect(payload).toMatchObject({
      licenseKey: null,
      errors: [expect.stringContaining('a newer license renews it from 2026-02-01 (UTC) on')],
    });
  });

  it('never echoes or logs a code or a key of a wrong request', async () => {
    const { code, licenseKey } = await codeOf();
    const wrong = await activate(issuer, code, randomUUID(), { automated: code });
    expect(wrong.errors[0]?.extensions?.code).toBe('BAD_REQUEST');
    await activate(issuer, code, randomUUID());
    const said = [wrong.text, ...issuer.logs].join('\n');
    expect(said).not.toContain(code);
    expect(said).not.toContain(licenseKey);
  });

  it('accepts one activation in a request, under any alias', async () => {
    const { code } = await codeOf({ max_uses: 2 });
    const input = (id: string) =>
      `{ activationCode: "${code}", instanceIdentifier: "${id}", automated: false, gitlabVersion: "18.6", hostname: "h" }`;
    const query = `mutation { a: cloudActivationActivate(input: ${input(randomUUID())}) { licenseKey }
      b: cloudActivationActivate(input: ${input(randomUUID())}) { licenseKey } }`;
    const response = await fetch(`${issuer.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_REQUEST' } }],
    });
  });

  it('ignores members that only newer instances send', async () => {
    const { code } = await codeOf();
    const query = ACTIVATE.replace(
      '$hostname: String!',
      '$hostname: String!, $fleet: Fleet!',
    ).replace('hostname: $hostname', 'hostname: $hostname, fleet: $fleet');
    const { payload } = await activate(issuer, code, randomUUID(), { fleet: {} }, {}, query);
    expect(payload?.errors).toEqual([]);
  });

  it('ignores them in an input that is one variable, too, however long they are', async () => {
    const { code } = await codeOf();
    const query = `mutation($input: CloudActivationActivateInput!) {
      cloudActivationActivate(input: $input) { licenseKey errors } }`;
    const unknown = Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`hostname${n}`, n]));
    const input = {
      ...{ activationCode: code, instanceIdentifier: randomUUID(), automated: false },
      ...{ gitlabVersion: '18.6.0-ee', hostname: 'gitlab.example.com', fleet: [{ a: {} }] },
      ...unknown,
    };
    const { payload } = await activate(issuer, code, randomUUID(), { input }, {}, query);
    expect(payload?.errors).toEqual([]);
  });

  it.each([
    ['the first clients', ['activationCode', 'instanceIdentifier']],
    ['those that say automated', ['activationCode', 'instanceIdentifier', 'automated']],
    [
      'those that say version and host name',
      ['activationCode', 'instanceIdentifier', 'automated', 'gitlabVersion', 'hostname'],
    ],
  ])('works for %s', async (_generation, members) => {
    const { code, licenseKey } = await codeOf();
    const instanceId = randomUUID();
    const typeOf = (member: string) => (member === 'automated' ? 'Boolean!' : 'String!');
    const query = `mutation(${members.map((name) => `$${name}: ${typeOf(name)}`).join(', ')}) {
      cloudActivationActivate(input: { ${members.map((name) => `${name}: $${name}`).join(', ')} }) {
        licenseKey errors
      }
    }`;
    const { payload } = await activate(issuer, code, instanceId, {}, {}, query);
    expect(payload).toEqual({ licenseKey, errors: [] });
    const inline = `mutation { cloudActivationActivate(input: { activationCode: "${code}",
      instanceIdentifier: "${instanceId}" }) { licenseKey errors } }`;
    const again = await activate(issuer, code, instanceId, {}, {}, inline);
    expect(again.payload).toEqual(payload);
  });

  it.each([
    ['nulls', { automated: null, gitlabVersion: null, hostname: null, uniqueInstanceId: null }],
    ['texts that say nothing', { gitlabVersion: 'not set', hostname: '', uniqueInstanceId: '' }],
  ])('takes %s for what an instance does not know', async (_what, about) => {
    const { code, licenseKey } = await codeOf();
    const nullable = ACTIVATE.replace(/(\$(?:automated|gitlabVersion|hostname): \w+)!/g, '$1');
    const { payload } = await activate(issuer, code, randomUUID(), about, {}, nullable);
    expect(payload).toMatchObject({ licenseKey, errors: [] });
  });

  it('counts as an activation, not as a sync', async () => {
    const { code } = await codeOf();
    const before = await metric('issuer_activations_total{outcome="activated",code=""}');
    const syncs = await metric('issuer_syncs_total{outcome="answered",code=""}');
    await activate(issuer, code, randomUUID());
    expect(await metric('issuer_activations_total{outcome="activated",code=""}')).toBe(before + 1);
    expect(await metric('issuer_syncs_total{outcome="answered",code=""}')).toBe(syncs);
  });

  it('answers guesses, also of keys in seat links, without a connection of the admin side', async () => {
    const { app, config } = issuer.running;
    const { dataSource } = app.get(Database).manager;
    const taken = Array.from({ length: adminPoolSize(config.databasePoolSize) }, () =>
      dataSource.createQueryRunner(),
    );
    await Promise.all(taken.map((runner) => runner.connect() as Promise<unknown>));

    const { payload } = await activate(issuer, 'c'.repeat(24), randomUUID());
    const seatLink = await fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ license_key: 'd'.repeat(64), instance_id: randomUUID() }),
    });
    await Promise.all(taken.map((runner) => runner.release()));
    expect(payload?.errors).toEqual([expect.stringContaining('not registered here')]);
    expect(await seatLink.text()).toContain('not registered here');
  });

  it('limits guesses by address', async () => {
    const guess = () => activate(issuer, 'b'.repeat(24), randomUUID());
    const statuses: number[] = [];
    // A busy machine turns some away without counting them.
    while (!statuses.includes(429) && statuses.length < 300) {
      const answers = await Promise.all(Array.from({ length: 25 }, guess));
      statuses.push(...answers.map(({ status }) => status));
    }
    expect(statuses).toContain(429);
  });
});
