import { createHash, randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { SigningKeyGoneError } from '../../src/signing-keys/hsm-error.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type Generation,
  GENERATIONS,
  GitlabInstance,
  NEWEST,
  syncQuery,
} from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerRows, ledgerSize, select } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const NULL_ANSWER = { data: { cloudConnectorAccess: { serviceToken: null } } };
const [ONE, OTHER] = [randomUUID(), randomUUID()];

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('the issuance ledger', () => {
  let licenseId: string;
  let client: GitlabInstance;
  let licenseKey: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00.250Z');
    ({ id: licenseId, licenseKey } = await registerPaidLicense(issuer));
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });

  it('has a row with everything about the token before the answer is sent', async () => {
    const { token } = await client.serviceToken();
    const claims = decodeJwt(token);
    const row = (await ledgerRows(issuer)).find(({ jti }) => jti === claims.jti);
    expect(row).toMatchObject({
      license_id: licenseId,
      instance_uuid: INSTANCE_ID,
      host_name: 'gitlab.example.com',
      kid: decodeProtectedHeader(token).kid,
      gitlab_version: '18.6.0-ee',
      issued_at: clock.now(),
      expires_at: new Date(Number(claims.exp) * 1000),
      scopes: claims['scopes'],
      audiences: claims.aud,
    });
  });

  it('gives a token another jti when its key was gone: the first jti may have its row', async () => {
    const signingKeys = issuer.running.app.get(SigningKeys);
    const key = signingKeys.current();
    let gone = true;
    const sign = (payload: Uint8Array) => {
      if (!gone) return key.sign(payload);
      gone = false;
      return Promise.reject(new SigningKeyGoneError(key.kid));
    };
    Reflect.set(signingKeys, 'signing', { ...key, sign });
    const before = await ledgerSize(issuer);
    const { token } = await client.serviceToken();
    Reflect.set(signingKeys, 'signing', key);
    expect(await ledgerSize(issuer)).toBe(before + 2);
    expect((await ledgerRows(issuer)).map(({ jti }) => jti)).toContain(decodeJwt(token).jti);
  });

  it('keeps the digest of exactly what was signed', async () => {
    const { token } = await client.serviceToken();
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url');
    const row = (await ledgerRows(issuer)).find(({ jti }) => jti === decodeJwt(token).jti);
    expect(row?.claims_digest).toEqual(createHash('sha256').update(payload).digest());
  });

  it('names the catalog that was in force', async () => {
    await client.serviceToken();
    const catalog = (await (await issuer.admin('GET', 'catalog')).json()) as { digest: string };
    const row = (await ledgerRows(issuer)).at(-1);
    expect(row?.catalog_digest.toString('hex')).toBe(catalog.digest);
  });

  it('gets a row for each answer, because each answer has its own token', async () => {
    const before = await ledgerSize(issuer);
    const tokens = await Promise.all(Array.from({ length: 10 }, () => client.serviceToken()));
    expect(new Set(tokens.map(({ token }) => token)).size).toBe(10);
    const jtis = (await ledgerRows(issuer)).map(({ jti }) => jti);
    expect(jtis).toHaveLength(before + 10);
    expect(jtis).toEqual(expect.arrayContaining(tokens.map(({ token }) => decodeJwt(token).jti)));
  });

  it('gets a row when the expiry is all that was asked for', async () => {
    const before = await ledgerSize(issuer);
    const query = syncQuery('serviceToken { expiresAt }', { namesOperation: true });
    await client.send({ query, variables: client.variables() });
    expect(await ledgerSize(issuer)).toBe(before + 1);
  });

  it('gets one row for a token that is selected under two aliases, which is one token', async () => {
    const before = await ledgerSize(issuer);
    const query = syncQuery('a: serviceToken { token } b: serviceToken { token expiresAt }', {
      namesOperation: true,
    });
    const { data } = await client.send({ query, variables: client.variables() });
    const both = data as Record<'a' | 'b', { token: string }> | null;
    expect(both?.a.token).toMatch(/^eyJ/);
    expect(both?.b.token).toBe(both?.a.token);
    expect(await ledgerSize(issuer)).toBe(before + 1);
  });

  it('gets no row when no token was asked for, and registers no instance', async () => {
    const fresh = await registerPaidLicense(issuer);
    const before = await ledgerSize(issuer);
    const instance = new GitlabInstance(issuer.url, { ...fresh, instanceId: INSTANCE_ID });
    for (const fields of [
      ['catalog'],
      ['availableServices'],
      ['availableServices', 'catalog'],
    ] as const) {
      expect((await instance.sync(fields)).code).toBeNull();
    }
    expect(await ledgerSize(issuer)).toBe(before);
    expect(
      await select(issuer, 'SELECT 1 FROM instances WHERE license_id = $1', [fresh.id]),
    ).toEqual([]);
  });

  it('makes a missing partition', async () => {
    clock.set('2026-12-24T08:00:00Z');
    const { token } = await client.serviceToken();
    const row = (await ledgerRows(issuer)).at(-1);
    expect(row).toMatchObject({ jti: decodeJwt(token).jti, issued_at: clock.now() });
  });

  it('keeps a version without the text that a caller put after it', async () => {
    const query = syncQuery('serviceToken { token }', { namesOperation: true });
    const gitlabVersion = `19.1.0-pre <b>\u0000${'x'.repeat(500)}`;
    const { data } = await client.send({ query, variables: { licenseKey, gitlabVersion } });
    const { jti } = decodeJwt(data?.serviceToken?.token ?? '');
    const row = (await ledgerRows(issuer)).find((one) => one.jti === jti);
    expect(row?.gitlab_version).toBe('19.1.0-pre');
  });

  it('has no token and no clear-text key in any table', async () => {
    const { token } = await client.serviceToken();
    const tables = await select<{ name: string }>(
      issuer,
      `SELECT quote_ident(relname) AS name FROM pg_class
       WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    expect(tables.length).toBeGreaterThan(8);
    const secrets = [...token.split('.').slice(1), token, licenseKey];
    const spellings = secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('hex')]);
    for (const { name } of tables) {
      const found = await select(
        issuer,
        `SELECT 1 FROM ${name} AS t, unnest($1::text[]) AS secret WHERE strpos(t::text, secret) > 0`,
        [spellings],
      );
      expect({ name, found }).toEqual({ name, found: [] });
    }
  });
});

describe('a sync whose tokens are revoked', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  const instance = (
    licenseKey: string,
    instanceId: string | null = ONE,
    generation: Generation = NEWEST,
  ) => new GitlabInstance(issuer.url, { licenseKey, instanceId }, generation);

  async function order(path: string): Promise<void> {
    const answer = await issuer.admin('POST', path);
    expect(answer.status).toBe(200);
  }
  const revoke = (owner: string) => order(`${owner}/service_tokens/revoke`);
  const restore = (owner: string) => order(`${owner}/service_tokens/restore`);

  /** The row of the instance, as the admin API names it. */
  async function known(licenseId: string, instanceId: string): Promise<string> {
    const [row] = await select<{ id: string }>(
      issuer,
      'SELECT id FROM instances WHERE license_id = $1 AND instance_uuid = $2',
      [licenseId, instanceId],
    );
    return `instances/${row?.id ?? ''}`;
  }

  async function expectNull(client: GitlabInstance): Promise<void> {
    const before = await ledgerSize(issuer);
    const answer = await client.sync(['serviceToken']);
    expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
    expect(JSON.parse(answer.text)).toEqual(NULL_ANSWER);
    expect(answer.effect).toBe('deletes its tokens');
    expect(await ledgerSize(issuer)).toBe(before);
  }

  it('gets the deliberate null, time and again, until its license is restored', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const client = instance(licenseKey);
    await client.serviceToken();
    await revoke(`licenses/${id}`);
    for (const minutes of [0, 60, 60 * 24 * 30]) {
      clock.advance(minutes * 60_000);
      await expectNull(client);
      await expectNull(instance(licenseKey, OTHER));
    }
    await restore(`licenses/${id}`);
    await client.serviceToken();
  });

  it('gets everything else that it selected as usual', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const fields = ['serviceToken', 'availableServices', 'catalog'] as const;
    const usual = await instance(licenseKey).sync(fields);
    await revoke(`licenses/${id}`);
    const { data, errors } = await instance(licenseKey).sync(fields);
    expect(errors).toEqual([]);
    expect(data).toEqual({ ...usual.data, serviceToken: null });
    expect((await instance(licenseKey).sync(['catalog'])).data).toEqual({
      catalog: usual.data?.catalog,
    });
  });

  it('gets the null in each generation of clients', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await instance(licenseKey).serviceToken();
    await revoke(`licenses/${id}`);
    for (const generation of Object.values(GENERATIONS)) {
      await expectNull(instance(licenseKey, ONE, generation));
    }
  });

  it.each([
    ['LICENSE_NOT_CLOUD', { kind: 'legacy' }, '2026-03-10T12:00:00Z'],
    ['LICENSE_NOT_STARTED', { starts_on: '2026-04-01' }, '2026-03-10T12:00:00Z'],
    ['LICENSE_EXPIRED', { expires_on: '2026-06-01' }, '2026-06-15T00:00:00Z'],
  ])('gets the null instead of %s', async (code, about, at) => {
    const { id, licenseKey } = await registerPaidLicense(issuer, about);
    clock.set(at);
    const client = instance(licenseKey);
    expect((await client.sync()).code).toBe(code);
    await revoke(`licenses/${id}`);
    await expectNull(client);
    await restore(`licenses/${id}`);
    expect((await client.sync()).code).toBe(code);
  });

  it('gets the null instead of LICENSE_REVOKED', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    await issuer.admin('POST', `licenses/${id}/revoke`);
    await expectNull(instance(licenseKey));
    await restore(`licenses/${id}`);
    expect((await instance(licenseKey).sync()).code).toBe('LICENSE_REVOKED');
  });

  it('gets the null for its license without saying which instance it is', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    await expectNull(instance(licenseKey, null));
    await expectNull(instance(licenseKey, 'GITLAB_INSTANCE_UUID_NOT_SET'));
  });

  it('gets the error of a request without a license', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    expect((await instance(`${licenseKey}x`).sync()).code).toBe('LICENSE_NOT_FOUND');
    const old = instance(licenseKey, ONE, { ...NEWEST, version: 'latest' });
    expect((await old.sync()).code).toBe('GITLAB_VERSION_INVALID');
    expect((await instance(licenseKey).send({ query: '{ no }' })).code).toBe('BAD_REQUEST');
  });

  it('for one instance does not concern the others of its license', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await instance(licenseKey, ONE).serviceToken();
    await instance(licenseKey, OTHER).serviceToken();
    await revoke(await known(id, ONE));
    await expectNull(instance(licenseKey, ONE));
    await instance(licenseKey, OTHER).serviceToken();
    await instance(licenseKey, randomUUID()).serviceToken();
    await restore(await known(id, ONE));
    await instance(licenseKey, ONE).serviceToken();
  });

  it('for one instance concerns a request that names none, if it is the only one', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await instance(licenseKey, ONE).serviceToken();
    await revoke(await known(id, ONE));
    await expectNull(instance(licenseKey, null));
    const unnamed = instance(licenseKey, 'GITLAB_INSTANCE_UUID_NOT_SET');
    expect((await unnamed.sync()).code).toBe('INSTANCE_ID_INVALID');
    // The null would delete the tokens of the other one.
    await instance(licenseKey, OTHER).serviceToken();
    expect((await instance(licenseKey, null).sync()).code).toBe('INSTANCE_AMBIGUOUS');
    await revoke(await known(id, OTHER));
    expect((await instance(licenseKey, null).sync()).code).toBe('INSTANCE_AMBIGUOUS');
    await revoke(`licenses/${id}`);
    await expectNull(instance(licenseKey, null));
  });

  it('for one token is answered as usual', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { token } = await instance(licenseKey).serviceToken();
    await order(`service_tokens/${decodeJwt(token).jti ?? ''}/revoke`);
    await instance(licenseKey).serviceToken();
  });

  it.each([
    ['license', 'instance'],
    ['instance', 'license'],
  ] as const)(
    'gets the null while either stands, the %s being revoked first (Keycloak CVE-2026-8922)',
    async (first, second) => {
      const { id, licenseKey } = await registerPaidLicense(issuer);
      const client = instance(licenseKey);
      await client.serviceToken();
      const owners = { license: `licenses/${id}`, instance: await known(id, ONE) };
      await revoke(owners[first]);
      await expectNull(client);
      await revoke(owners[second]);
      await expectNull(client);
      for (const lifted of [first, second]) {
        const left = lifted === first ? second : first;
        await restore(owners[lifted]);
        await expectNull(client);
        await revoke(owners[lifted]);
        await restore(owners[left]);
        await expectNull(client);
        await revoke(owners[left]);
      }
      await restore(owners[first]);
      await restore(owners[second]);
      await client.serviceToken();
    },
  );

  it('is counted as revoked', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    const revokedSyncs = async () => {
      const text = await (await fetch(`${issuer.url}/-/metrics`)).text();
      return Number(/^issuer_syncs_total\{outcome="revoked",code=""\} (\d+)/m.exec(text)?.[1]);
    };
    const before = await revokedSyncs();
    await instance(licenseKey).sync();
    expect(await revokedSyncs()).toBe(before + 1);
  });
});
