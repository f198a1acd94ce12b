import { randomUUID } from 'node:crypto';
import { select } from '../contract/ledger.js';
import {
  licenseBody,
  type LicenseJson,
  registerLicense,
  registerPaidLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const TOO_MANY = 2_147_483_648;
/** A member, and the values that neither a new license nor a change may give it. */
const REFUSED: readonly [member: string, value: unknown][] = [
  ['plan', 'free'],
  ['plan', 'Ultimate'],
  ['plan', ''],
  ['plan', null],
  ['plan', 1],
  ['plan', ['ultimate']],
  ['kind', 'cloud'],
  ['kind', null],
  ['kind', 0],
  ['trial', 'true'],
  ['trial', 1],
  ['trial', null],
  ['seats', '1'],
  ['seats', 0],
  ['seats', -1],
  ['seats', 1.5],
  ['seats', TOO_MANY],
  ['seats', true],
  ['seats', null],
  ['seats', [1]],
  ['starts_on', '2026-02-30'],
  ['starts_on', '2026-13-01'],
  ['starts_on', '2026-1-1'],
  ['starts_on', '2026-01-01T00:00:00Z'],
  ['starts_on', '0000-01-01'],
  ['starts_on', 20260101],
  ['starts_on', null],
  ['expires_on', '2027-02-29'],
  ['expires_on', 'never'],
  ['expires_on', 'infinity'],
  ['expires_on', ' 2027-01-01'],
  ['expires_on', null],
  ['licensee', 'Ada'],
  ['licensee', null],
  ['licensee', ['Ada']],
  ['customer_ref', ''],
  ['customer_ref', '   '],
  ['customer_ref', 7],
  ['customer_ref', 'with a \u0000 inside'],
  ['customer_ref', 'x'.repeat(256)],
  ['customer_ref', 'half a pair \ud83d'],
  ['renews_license_id', 'the old one'],
  ['renews_license_id', ''],
  ['renews_license_id', 7],
  ['renews_license_id', '00000000-0000-7000-8000-000000000000'],
  ['shoe_size', 42],
  ['id', '00000000-0000-7000-8000-000000000000'],
  ['revoked_at', null],
  ['version', 2],
  // Every object inherits a member of these names, so a look-up by name finds something.
  ['constructor', 1],
  ['toString', 'x'],
];
const DAY = 86_400_000;
const NOW = '2026-03-10T12:00:00.000Z';
const IN_A_WEEK = '2026-03-17T12:00:00.000Z';

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('registering a license', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  async function syncCode(licenseKey: string): Promise<string | null> {
    const identity = { licenseKey, instanceId: INSTANCE_ID };
    return (await new GitlabInstance(issuer.url, identity).sync()).code;
  }

  it('answers with what was registered, where it lies and its version', async () => {
    const response = await issuer.admin('POST', 'licenses', {
      plan: 'ultimate',
      kind: 'online_cloud',
      trial: true,
      seats: 100,
      starts_on: '2026-01-01',
      expires_on: '2027-01-01',
      licensee: { name: 'Ada', email: 'ada@example.com', company: 'Example' },
      customer_ref: 'C-1',
    });
    expect(response.status).toBe(201);
    const license = (await response.json()) as LicenseJson;
    expect(license).toEqual({
      id: expect.stringMatching(UUID_V7) as string,
      license_key: expect.stringMatching(/^cci_license_[\w-]{43}$/) as string,
      plan: 'ultimate',
      kind: 'online_cloud',
      trial: true,
      seats: 100,
      starts_on: '2026-01-01',
      expires_on: '2027-01-01',
      licensee: { name: 'Ada', email: 'ada@example.com', company: 'Example' },
      customer_ref: 'C-1',
      renews_license_id: null,
      revoked_at: null,
      revocation_reason: null,
      created_at: '2026-03-10T12:00:00.000Z',
      updated_at: '2026-03-10T12:00:00.000Z',
      key_replaced_at: null,
      previous_key_valid_until: null,
    });
    expect(response.headers.get('location')).toBe(`${issuer.url}/api/v1/licenses/${license.id}`);
    expect(response.headers.get('etag')).toBe('"1"');
  });

  it('shows the generated key this once and never again', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const answers = [
      await issuer.admin('GET', `licenses/${id}`),
      await issuer.admin('GET', 'licenses?per_page=100'),
      await issuer.admin('PATCH', `licenses/${id}`, { seats: 7 }),
      await issuer.admin('POST', `licenses/${id}/revoke`),
      await issuer.admin('POST', `licenses/${id}/reinstate`),
      await issuer.admin('GET', `licenses/${id}/entitlements`),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      const text = await answer.text();
      expect(text).not.toContain('license_key');
      expect(text).not.toContain(licenseKey);
    }
    expect(issuer.logs.join('')).not.toContain(licenseKey);
  });

  it('makes another key for each license, which its instance can sync with', async () => {
    const licenses = [await registerLicense(issuer), await registerLicense(issuer)] as const;
    expect(licenses[0].licenseKey).not.toBe(licenses[1].licenseKey);
    for (const { licenseKey } of licenses) expect(await syncCode(licenseKey)).toBeNull();
  });

  it('takes a key of the operator, and does not repeat it even once', async () => {
    const licenseKey = `a key that the vendor made\nin two lines ${randomUUID()}`;
    const body = licenseBody({ license_key: licenseKey });
    const response = await issuer.admin('POST', 'licenses', body);
    expect(response.status).toBe(201);
    const text = await response.text();
    expect(text).not.toContain('license_key');
    expect(text).not.toContain('vendor made');
    expect(await syncCode(licenseKey)).toBeNull();
  });

  it.each([
    ['the same', (key: string) => key],
    ['the same with a newline behind it', (key: string) => `${key}\n`],
    ['the same with the line ends of Windows', (key: string) => key.replaceAll('\n', '\r\n')],
    ['the same between blanks', (key: string) => `  ${key} \t`],
  ])('refuses %s key for a second license', async (_what, variant) => {
    const key = `first line ${randomUUID()}\nsecond line`;
    await registerLicense(issuer, { license_key: key });
    const again = licenseBody({ license_key: variant(key) });
    const response = await issuer.admin('POST', 'licenses', again);
    const problem = await expectProblem(response, 409, 'LICENSE_KEY_TAKEN', ['#/license_key']);
    expect(JSON.stringify(problem)).not.toContain('first line');
  });

  it('lets one of two simultaneous registrations of a key win', async () => {
    const body = licenseBody({ license_key: `raced for ${randomUUID()}` });
    const answers = await Promise.all([
      issuer.admin('POST', 'licenses', body),
      issuer.admin('POST', 'licenses', body),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it('takes a key of 64 KiB', async () => {
    const licenseKey = randomUUID().padEnd(65_536, 'k');
    await registerLicense(issuer, { license_key: licenseKey });
    expect(await syncCode(licenseKey)).toBeNull();
  });

  it.each([
    ['longer than 64 KiB', 'k'.repeat(65_537)],
    ['short enough to be guessed', 'fifteen letters'],
    ['nothing but blanks, which an empty key would match', ' '.repeat(20)],
    ['short but for the blanks around it', `short${' '.repeat(20)}`],
    ['an activation code', 'Ab3dEf6hIj9kLm2nOp5qRs8t'],
    ['an activation code with a newline', 'Ab3dEf6hIj9kLm2nOp5qRs8t\n'],
    ['a number', 1234567890123456],
    ['null', null],
  ])('refuses a key that is %s', async (_what, license_key) => {
    const response = await issuer.admin('POST', 'licenses', licenseBody({ license_key }));
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
    expect(await syncCode('')).toBe('LICENSE_NOT_FOUND');
  });

  it('fills what is left out with null and false', async () => {
    const { id, ...license } = await registerLicense(issuer);
    const defaults = {
      trial: false,
      licensee: { name: null, email: null, company: null },
      customer_ref: null,
    };
    expect(license).toMatchObject(defaults);
    expect(await (await issuer.admin('GET', `licenses/${id}`)).json()).toMatchObject(defaults);
  });

  it('can be read back as it was answered', async () => {
    const body = licenseBody({ license_key: `a key ${randomUUID()}`, licensee: { name: 'Ada' } });
    const created = await issuer.admin('POST', 'licenses', body);
    const license = (await created.json()) as LicenseJson;
    const response = await issuer.admin('GET', `licenses/${license.id.toUpperCase()}`);
    expect(response.headers.get('etag')).toBe('"1"');
    expect(await response.json()).toEqual(license);
  });

  it.each(['00000000-0000-7000-8000-000000000000', '1', 'x', '%00', "' OR 1=1"])(
    'leaves nothing to be read under the id %s',
    async (id) => {
      await expectProblem(await issuer.admin('GET', `licenses/${id}`), 404, 'NOT_FOUND');
    },
  );
});

describe('changing a license', () => {
  let id: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const licensee = { name: 'Ada', email: 'ada@example.com', company: 'Example' };
    ({ id } = await registerLicense(issuer, { licensee, customer_ref: 'C-1' }));
    clock.advance(60_000);
  });

  const at = (path = '') => `licenses/${id}${path}`;

  async function change(body: object, headers?: Record<string, string>) {
    const response = await issuer.admin('PATCH', at(), body, headers);
    expect(response.status).toBe(200);
    return {
      license: (await response.json()) as LicenseJson,
      etag: response.headers.get('etag'),
    };
  }

  async function versions(): Promise<{ version: number; seats: number; reason: string | null }[]> {
    return select(
      issuer,
      `SELECT version, seats, revocation_reason AS reason FROM licenses_history
       WHERE id = $1 ORDER BY version`,
      [id],
    );
  }

  it('changes what the body names and leaves the rest', async () => {
    const { license, etag } = await change({ seats: 5, plan: 'premium', trial: true });
    expect(license).toMatchObject({
      id,
      seats: 5,
      plan: 'premium',
      trial: true,
      kind: 'online_cloud',
      starts_on: '2026-01-01',
      customer_ref: 'C-1',
      licensee: { name: 'Ada', email: 'ada@example.com', company: 'Example' },
      created_at: '2026-03-10T12:00:00.000Z',
      updated_at: '2026-03-10T12:01:00.000Z',
    });
    expect(etag).toBe('"2"');
    expect(await (await issuer.admin('GET', at())).json()).toEqual(license);
  });

  it('changes a member of the licensee alone, and clears with null', async () => {
    const { license } = await change({ licensee: { email: null }, customer_ref: null });
    expect(license.licensee).toEqual({ name: 'Ada', email: null, company: 'Example' });
    expect(license.customer_ref).toBeNull();
  });

  it('counts no version when nothing changes', async () => {
    expect((await change({})).etag).toBe('"1"');
    const { license, etag } = await change({ seats: 100, licensee: { name: 'Ada' } });
    expect(etag).toBe('"1"');
    expect(license.updated_at).toBe('2026-03-10T12:00:00.000Z');
    expect(await versions()).toHaveLength(1);
  });

  it('keeps every state that the license was ever in', async () => {
    await change({ seats: 5 });
    await issuer.admin('POST', at('/revoke'), { reason: 'refunded' });
    await issuer.admin('POST', at('/reinstate'));
    expect(await versions()).toEqual([
      { version: 1, seats: 100, reason: null },
      { version: 2, seats: 5, reason: null },
      { version: 3, seats: 5, reason: 'refunded' },
      { version: 4, seats: 5, reason: null },
    ]);
  });

  it('keeps both of two simultaneous changes', async () => {
    await Promise.all([change({ seats: 5 }), change({ plan: 'premium' }), change({ trial: true })]);
    const license = await (await issuer.admin('GET', at())).json();
    expect(license).toMatchObject({ seats: 5, plan: 'premium', trial: true });
    expect(await versions()).toHaveLength(4);
  });

  describe('with If-Match', () => {
    it.each(['"1"', '*', '"7", "1"', 'W/"1"', '"1-gzip"'])(
      'goes through while the license is at %s',
      async (ifMatch) => {
        expect((await change({ seats: 5 }, { 'if-match': ifMatch })).etag).toBe('"2"');
      },
    );

    it.each(['"2"', '"0"', 'W/"2"', '1', '"7", "8"'])(
      '%s is stale: 412, and nothing happens',
      async (ifMatch) => {
        const headers = { 'if-match': ifMatch };
        for (const [method, path, body] of [
          ['PATCH', '', { seats: 5 }],
          ['POST', '/revoke', {}],
          ['POST', '/reinstate', undefined],
        ] as const) {
          const response = await issuer.admin(method, at(path), body, headers);
          await expectProblem(response, 412, 'PRECONDITION_FAILED');
        }
        expect(await versions()).toHaveLength(1);
      },
    );

    it('lets one of two changes win that start from the same version', async () => {
      const headers = { 'if-match': '"1"' };
      const answers = await Promise.all(
        [5, 6].map((seats) => issuer.admin('PATCH', at(), { seats }, headers)),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    });
  });

  describe('revoke and reinstate', () => {
    it('note when and why, and take both back', async () => {
      const revoked = await issuer.admin('POST', at('/revoke'), { reason: 'refunded' });
      expect(revoked.status).toBe(200);
      expect(revoked.headers.get('etag')).toBe('"2"');
      expect(await revoked.json()).toMatchObject({
        revoked_at: '2026-03-10T12:01:00.000Z',
        revocation_reason: 'refunded',
      });
      const reinstated = await issuer.admin('POST', at('/reinstate'));
      expect(await reinstated.json()).toMatchObject({ revoked_at: null, revocation_reason: null });
    });

    it('need no body', async () => {
      const response = await issuer.admin('POST', at('/revoke'));
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ revocation_reason: null });
    });

    it('take an empty one', async () => {
      for (const action of ['/revoke', '/reinstate']) {
        expect((await issuer.admin('POST', at(action), {})).status).toBe(200);
      }
    });

    it('do nothing the second time', async () => {
      await issuer.admin('POST', at('/revoke'), { reason: 'refunded' });
      clock.advance(60_000);
      const again = await issuer.admin('POST', at('/revoke'), { reason: 'another' });
      expect(again.headers.get('etag')).toBe('"2"');
      expect(await again.json()).toMatchObject({
        revoked_at: '2026-03-10T12:01:00.000Z',
        revocation_reason: 'refunded',
      });
      for (const etag of ['"3"', '"3"']) {
        expect((await issuer.admin('POST', at('/reinstate'))).headers.get('etag')).toBe(etag);
      }
    });

    it.each([
      [{ reason: '' }, '#/reason'],
      [{ reason: 1 }, '#/reason'],
      [{ reason: null }, '#/reason'],
      [{ reason: 'x'.repeat(1001) }, '#/reason'],
      [{ because: 'refunded' }, '#/because'],
      [['refunded'], '#'],
    ])('refuse the body %j', async (body, place) => {
      for (const action of ['/revoke', '/reinstate']) {
        const response = await issuer.admin('POST', at(action), body);
        await expectProblem(response, 422, 'VALIDATION_FAILED', [place]);
      }
    });
  });

  it.each([
    ['PATCH', ''],
    ['POST', '/revoke'],
    ['POST', '/reinstate'],
  ])('finds nothing to %s%s under an unknown or a malformed id', async (method, path) => {
    for (const unknown of ['00000000-0000-7000-8000-000000000000', 'no-uuid']) {
      const response = await issuer.admin(method, `licenses/${unknown}${path}`, {});
      await expectProblem(response, 404, 'NOT_FOUND');
    }
  });

  it('never deletes: there is no such method', async () => {
    await expectProblem(await issuer.admin('DELETE', at()), 405, 'METHOD_NOT_ALLOWED');
  });
});

describe('a license that renews another one', () => {
  const renew = (id: string, renews_license_id: string | null) =>
    issuer.admin('PATCH', `licenses/${id}`, { renews_license_id });
  const idOfNew = async (about: object = {}) => (await registerLicense(issuer, { ...about })).id;

  it('names it, from its registration or by a change, until that is undone', async () => {
    const old = await idOfNew();
    const { id, renews_license_id } = await registerLicense(issuer, { renews_license_id: old });
    expect(renews_license_id).toBe(old);
    const undone = await renew(id, null);
    expect(undone.headers.get('etag')).toBe('"2"');
    expect(await undone.json()).toMatchObject({ id, renews_license_id: null });
    expect(await (await renew(id, old.toUpperCase())).json()).toMatchObject({
      renews_license_id: old,
    });
    expect((await renew(id, old)).headers.get('etag')).toBe('"3"');
    const history = await select(
      issuer,
      'SELECT renews_license_id AS old FROM licenses_history WHERE id = $1 ORDER BY version',
      [id],
    );
    expect(history).toEqual([{ old }, { old: null }, { old }]);
  });

  it('is found by the license that it renews', async () => {
    const old = await idOfNew();
    const id = await idOfNew({ renews_license_id: old });
    const renewalOf = async (which: string) =>
      (await issuer.admin('GET', `licenses?renews_license_id=${which}`)).json();
    expect(await renewalOf(old)).toMatchObject({ items: [{ id }] });
    expect(await renewalOf(id)).toMatchObject({ items: [] });
    const wrong = await issuer.admin('GET', 'licenses?renews_license_id=old');
    await expectProblem(wrong, 422, 'VALIDATION_FAILED', ['renews_license_id']);
  });

  it('is the only one', async () => {
    const old = await idOfNew();
    await idOfNew({ renews_license_id: old });
    const second = await issuer.admin('POST', 'licenses', licenseBody({ renews_license_id: old }));
    const place = ['#/renews_license_id'];
    await expectProblem(second, 409, 'LICENSE_RENEWED_ALREADY', place);
    await expectProblem(await renew(await idOfNew(), old), 409, 'LICENSE_RENEWED_ALREADY', place);
  });

  it.each([1, 2, 3])('never closes a circle of %d', async (length) => {
    const line = [await idOfNew()];
    while (line.length < length) line.push(await idOfNew({ renews_license_id: line.at(-1) }));
    const [first = '', last = ''] = [line[0], line.at(-1)];
    await expectProblem(await renew(first, last), 422, 'VALIDATION_FAILED', [
      '#/renews_license_id',
    ]);
  });

  it('never closes a circle with others that come at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const ids = [await idOfNew(), await idOfNew(), await idOfNew()];
      const answers = await Promise.all(
        ids.map((id, place) => renew(id, ids[(place + 1) % ids.length] ?? '')),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 422]);
    }
  });

  it('stands in a line of at most 100', async () => {
    const first = await idOfNew();
    const line = await select<{ id: string }>(
      issuer,
      `INSERT INTO licenses (id, plan, kind, trial, seats, starts_on, expires_on, renews_license_id,
         key_digest, sealed_key, version, created_at, updated_at)
       SELECT id, 'ultimate', 'online_cloud', false, 1, '2026-01-01', '2027-01-01',
         coalesce(lag(id) OVER (ORDER BY n), $1), sha256(uuid_send(id)), '', 1, now(), now()
       FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(2, 100) AS n) AS line
       RETURNING id`,
      [first],
    );
    const longer = licenseBody({ renews_license_id: line.at(-1)?.id });
    const place = ['#/renews_license_id'];
    const refused = await issuer.admin('POST', 'licenses', longer);
    await expectProblem(refused, 422, 'VALIDATION_FAILED', place);
    await expectProblem(await renew(first, await idOfNew()), 422, 'VALIDATION_FAILED', place);
  });
});

describe('a license is refused by the name of the member', () => {
  let id: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    ({ id } = await registerLicense(issuer));
  });

  it.each(REFUSED)('%s: %j', async (member, value) => {
    const created = await issuer.admin('POST', 'licenses', licenseBody({ [member]: value }));
    await expectProblem(created, 422, 'VALIDATION_FAILED', [`#/${member}`]);
    const changed = await issuer.admin('PATCH', `licenses/${id}`, { [member]: value });
    await expectProblem(changed, 422, 'VALIDATION_FAILED', [`#/${member}`]);
  });

  it.each([
    ['name', ''],
    ['name', 1],
    ['email', 'ada'],
    ['email', 'ada@'],
    ['email', 1],
    ['email', '\ud800@example.com'],
    ['email', '"a\nb"@example.com'],
    ['name', 'A\udc00da'],
    ['company', 'tab\tinside'],
    ['age', 36],
  ])('licensee/%s: %j', async (member, value) => {
    const licensee = { [member]: value };
    const response = await issuer.admin('POST', 'licenses', licenseBody({ licensee }));
    await expectProblem(response, 422, 'VALIDATION_FAILED', [`#/licensee/${member}`]);
  });

  it.each(['plan', 'kind', 'seats', 'starts_on', 'expires_on'])(
    'when it is new and %s is missing',
    async (member) => {
      const body = licenseBody({ [member]: undefined });
      const response = await issuer.admin('POST', 'licenses', body);
      await expectProblem(response, 422, 'VALIDATION_FAILED', [`#/${member}`]);
    },
  );

  it('and by its pointer where every object inherits such a member, or where it lies too deep', async () => {
    const inherited = licenseBody({ licensee: { valueOf: 1 } });
    const refused = await issuer.admin('POST', 'licenses', inherited);
    await expectProblem(refused, 422, 'VALIDATION_FAILED', ['#/licensee/valueOf']);

    const deep = `{"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    const response = await fetch(`${issuer.url}/api/v1/licenses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${issuer.adminToken}`, 'content-type': 'application/json' },
      body: deep,
    });
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#']);
  });

  it('with every fault at once, a member with / and ~ escaped as RFC 6901 asks', async () => {
    const body = licenseBody({ seats: 0, kind: 'x', 'a/b~c': 1, licensee: { email: 'x' } });
    const places = ['#/seats', '#/kind', '#/a~1b~0c', '#/licensee/email'];
    await expectProblem(
      await issuer.admin('POST', 'licenses', body),
      422,
      'VALIDATION_FAILED',
      places,
    );
  });

  it.each(['2026-01-01', '2025-12-31'])(
    'expires_on: %s, not after the start',
    async (expires_on) => {
      const created = await issuer.admin('POST', 'licenses', licenseBody({ expires_on }));
      await expectProblem(created, 422, 'VALIDATION_FAILED', ['#/expires_on']);
      const changed = await issuer.admin('PATCH', `licenses/${id}`, { expires_on });
      await expectProblem(changed, 422, 'VALIDATION_FAILED', ['#/expires_on']);
      const moved = await issuer.admin('PATCH', `licenses/${id}`, { starts_on: '2027-01-01' });
      await expectProblem(moved, 422, 'VALIDATION_FAILED', ['#/expires_on']);
    },
  );

  it('license_key, when the database would keep another text than was sent', async () => {
    const body = licenseBody({ license_key: 'a key that ends in half a pair \ud83d' });
    const response = await issuer.admin('POST', 'licenses', body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
  });

  it.each([5, 'x'.repeat(15), 'x'.repeat(65_537), ` ${'x'.repeat(15)} `])(
    'license_key, with the least and the most that it may have',
    async (license_key) => {
      const response = await issuer.admin('POST', 'licenses', licenseBody({ license_key }));
      const place = ['#/license_key'];
      const { errors } = await expectProblem(response, 422, 'VALIDATION_FAILED', place);
      expect(errors?.[0]?.detail).toMatch(/^must (be a text of|have) at least 16 /);
    },
  );

  it('license_key, in a change: the key of a license stays what it is', async () => {
    const change = { license_key: 'another key for the same license' };
    const response = await issuer.admin('PATCH', `licenses/${id}`, change);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
  });

  it.each([[[]], ['text'], [1], [null], [true]])('as a whole when the body is %j', async (body) => {
    const response = await issuer.admin('POST', 'licenses', body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#']);
  });

  it('and leaves the license as it was', async () => {
    const response = await issuer.admin('GET', `licenses/${id}`);
    expect(response.headers.get('etag')).toBe('"1"');
  });

  it('while the ends of each range are taken', async () => {
    for (const about of [
      { seats: 1 },
      { seats: TOO_MANY - 1 },
      { starts_on: '2024-02-29' },
      { expires_on: '2026-01-02' },
      { customer_ref: 'x'.repeat(255) },
      { customer_ref: null, licensee: { name: null } },
      { licensee: {} },
    ]) {
      const response = await issuer.admin('POST', 'licenses', licenseBody(about));
      expect({ about, status: response.status }).toEqual({ about, status: 201 });
    }
  });
});

describe('replacing the key of a license', () => {
  let id: string;
  let first: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.set(NOW);
    ({ id, licenseKey: first } = await registerPaidLicense(issuer));
  });

  const path = () => `licenses/${id}/replace_key`;
  async function replace(body?: object, headers?: Record<string, string>): Promise<ReplacedJson> {
    const response = await issuer.admin('POST', path(), body, headers);
    expect(response.status).toBe(200);
    return (await response.json()) as ReplacedJson;
  }
  async function generated(body?: object): Promise<string> {
    return (await replace(body)).license_key ?? '';
  }
  /** The code of the denial of a sync with this key; null when it brings a token. */
  async function denialOf(licenseKey: string): Promise<string | null> {
    return (await new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() }).sync())
      .code;
  }
  async function previousKeys(): Promise<number> {
    const sql = `SELECT FROM replaced_license_keys WHERE license_id = $1`;
    return (await select(issuer, sql, [id])).length;
  }

  it('generates one and shows it once; for a week both keys work', async () => {
    const license = await replace();
    expect(license).toMatchObject({
      id,
      license_key: expect.stringMatching(/^cci_license_/) as string,
      key_replaced_at: NOW,
      previous_key_valid_until: IN_A_WEEK,
      updated_at: NOW,
    });
    const second = license.license_key ?? '';
    expect(second).not.toBe(first);
    expect([await denialOf(first), await denialOf(second)]).toEqual([null, null]);
    const { license_key, ...shown } = license;
    expect(await (await issuer.admin('GET', `licenses/${id}`)).json()).toEqual(shown);
    expect(issuer.logs.join('\n')).not.toContain(license_key);
  });

  it('denies the previous key as unknown from the instant on at which its grace ends', async () => {
    const second = await generated({ grace_seconds: 60 });
    clock.advance(59_999);
    expect(await denialOf(first)).toBeNull();
    clock.advance(1);
    expect(await denialOf(first)).toBe('LICENSE_NOT_FOUND');
    expect(await denialOf(second)).toBeNull();
  });

  it('ends the previous key at once with a grace of 0', async () => {
    const second = await generated({ grace_seconds: 0 });
    expect([await denialOf(first), await denialOf(second)]).toEqual(['LICENSE_NOT_FOUND', null]);
    expect(await previousKeys()).toBe(0);
  });

  it('registers a key that the operator brings, and does not show it', async () => {
    const license_key = ` a key of the vendor\r\n${randomUUID()}\n`;
    expect(await replace({ license_key })).not.toHaveProperty('license_key');
    expect(await denialOf(license_key.trim())).toBeNull();
  });

  it('shows a license whose key was never replaced without either instant', async () => {
    const license = await (await issuer.admin('GET', `licenses/${id}`)).json();
    expect(license).toMatchObject({ key_replaced_at: null, previous_key_valid_until: null });
  });

  describe('again, within the grace', () => {
    it('lets each previous key work until its own end, but never longer than the newest grace', async () => {
      await replace({ grace_seconds: 3600 });
      const second = await generated({ grace_seconds: 7200 });
      clock.advance(3_600_000);
      expect([await denialOf(first), await denialOf(second)]).toEqual(['LICENSE_NOT_FOUND', null]);
    });

    it('ends every previous key earlier where the newest grace is shorter', async () => {
      const second = await generated({ grace_seconds: 7200 });
      const third = await generated({ grace_seconds: 60 });
      clock.advance(60_000);
      const denials = [await denialOf(first), await denialOf(second), await denialOf(third)];
      expect(denials).toEqual(['LICENSE_NOT_FOUND', 'LICENSE_NOT_FOUND', null]);
    });

    it('ends a previous key also where the clock of the replica that replaced it was ahead', async () => {
      clock.advance(120_000);
      await replace({ grace_seconds: 7200 });
      clock.set(NOW);
      const third = await generated({ grace_seconds: 60 });
      expect(await denialOf(first)).toBe('LICENSE_NOT_FOUND');
      expect(await denialOf(third)).toBeNull();
    });

    it('ends every previous key at once with a grace of 0', async () => {
      const second = await generated();
      await replace({ grace_seconds: 0 });
      expect([await denialOf(first), await denialOf(second)]).toEqual([
        'LICENSE_NOT_FOUND',
        'LICENSE_NOT_FOUND',
      ]);
    });

    it('keeps the five newest previous keys', async () => {
      for (let count = 0; count < 7; count += 1) {
        clock.advance(1000);
        await replace();
      }
      expect(await previousKeys()).toBe(5);
      expect(await denialOf(first)).toBe('LICENSE_NOT_FOUND');
    });
  });

  describe('with a key that is taken', () => {
    const taken = async (license_key: string, at = path()) => {
      const body = at === 'licenses' ? { ...registration(), license_key } : { license_key };
      const response = await issuer.admin('POST', at, body);
      await expectProblem(response, 409, 'LICENSE_KEY_TAKEN', ['#/license_key']);
    };
    const registration = () => ({
      ...{ plan: 'ultimate', kind: 'online_cloud', seats: 1 },
      ...{ starts_on: '2026-01-01', expires_on: '2027-01-01' },
    });

    it('is refused: its own, that of another license, an old one of either', async () => {
      const other = await registerLicense(issuer);
      await taken(first);
      await taken(`${first}\r\n`);
      await taken(other.licenseKey);
      await issuer.admin('POST', `licenses/${other.id}/replace_key`);
      await taken(other.licenseKey);
      await replace();
      await taken(first);
      expect(await denialOf(first)).toBeNull();
    });

    it('is refused to a new license too, as long as the grace of a previous key lasts', async () => {
      await replace({ grace_seconds: 60 });
      clock.advance(59_999);
      await taken(first, 'licenses');
      clock.advance(1);
      const { status } = await issuer.admin('POST', 'licenses', {
        ...registration(),
        license_key: first,
      });
      expect(status).toBe(201);
      // It is the key of that license now, which has bought nothing.
      expect(await denialOf(first)).toBeNull();
      expect(await previousKeys()).toBe(0);
    });
  });

  it('carries out two simultaneous replacements one after the other: both new keys work', async () => {
    const keys = await Promise.all([generated(), generated(), generated()]);
    for (const key of [first, ...keys]) expect(await denialOf(key)).toBeNull();
    expect(await previousKeys()).toBe(3);
  });

  it('with the same If-Match lets one win', async () => {
    const headers = { 'if-match': '"1"' };
    const answers = await Promise.all(
      [1, 2].map(() => issuer.admin('POST', path(), undefined, headers)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    expect(answers.find(({ status }) => status === 200)?.headers.get('etag')).toBe('"2"');
  });

  it('gives a key to one of two licenses that want it at the same time', async () => {
    const other = await registerLicense(issuer);
    const license_key = `wanted by two ${randomUUID()}`;
    const answers = await Promise.all(
      [id, other.id].map((one) =>
        issuer.admin('POST', `licenses/${one}/replace_key`, { license_key }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  it('keeps in the history when that was, and counts the version up', async () => {
    await replace();
    const rows = await select(
      issuer,
      `SELECT version, key_replaced_at, previous_key_valid_until FROM licenses_history
       WHERE id = $1 ORDER BY version`,
      [id],
    );
    expect(rows).toEqual([
      { version: 1, key_replaced_at: null, previous_key_valid_until: null },
      {
        version: 2,
        key_replaced_at: new Date(NOW),
        previous_key_valid_until: new Date(IN_A_WEEK),
      },
    ]);
  });

  it.each([
    [{ grace_seconds: -1 }, '#/grace_seconds'],
    [{ grace_seconds: 7_776_001 }, '#/grace_seconds'],
    [{ grace_seconds: 1.5 }, '#/grace_seconds'],
    [{ grace_seconds: '60' }, '#/grace_seconds'],
    [{ grace_seconds: null }, '#/grace_seconds'],
    [{ license_key: 'too short' }, '#/license_key'],
    [{ license_key: `${' '.repeat(20)}x` }, '#/license_key'],
    [{ license_key: 'aB3dE6gH9jK2mN5pQ8sT1vW4' }, '#/license_key'],
    [{ license_key: null }, '#/license_key'],
    [{ key: 'x' }, '#/key'],
  ])('refuses the body %j and changes nothing', async (body, place) => {
    const response = await issuer.admin('POST', path(), body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', [place]);
    expect((await issuer.admin('GET', `licenses/${id}`)).headers.get('etag')).toBe('"1"');
  });

  it('takes the longest grace of 90 days, and an empty body', async () => {
    const { previous_key_valid_until } = await replace({ grace_seconds: 7_776_000 });
    expect(previous_key_valid_until).toBe(new Date(Date.parse(NOW) + 90 * DAY).toISOString());
    expect((await replace({})).previous_key_valid_until).toBe(IN_A_WEEK);
  });

  it('finds nothing under an unknown id', async () => {
    const unknown = 'licenses/00000000-0000-7000-8000-000000000000/replace_key';
    await expectProblem(await issuer.admin('POST', unknown), 404, 'NOT_FOUND');
  });
});

interface ReplacedJson extends LicenseJson {
  readonly key_replaced_at: string | null;
  readonly previous_key_valid_until: string | null;
}
