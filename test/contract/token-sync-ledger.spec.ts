import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { SigningKeyGoneError } from '../../src/signing-keys/hsm-error.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, syncQuery } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerRows, ledgerSize, select } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';

describe('the issuance ledger', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00.250Z'));
  let issuer: TestIssuer;
  let licenseId: string;
  let client: GitlabInstance;
  let licenseKey: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    ({ id: licenseId, licenseKey } = await registerPaidLicense(issuer));
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });
  afterAll(() => issuer.stop());

  it('holds, once the answer is there, a row that tells all of the token', async () => {
    const { token } = await client.serviceToken();
    const claims = decodeJwt(token);
    const row = (await ledgerRows(issuer)).find(({ jti }) => jti === claims.jti);
    expect(row).toMatchObject({
      license_id: licenseId,
      instance_id: INSTANCE_ID,
      host_name: 'gitlab.example.com',
      kid: decodeProtectedHeader(token).kid,
      gitlab_version: '18.6.0-ee',
      issued_at: clock.now(),
      expires_at: new Date(Number(claims.exp) * 1000),
      scopes: claims['scopes'],
      audiences: claims.aud,
    });
  });

  it('gives another jti to a token whose key was gone when it was signed, for the first has its row', async () => {
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

  it('gets a row for each answer, for each answer has a token of its own', async () => {
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

  it('gets no row where no token was asked for, and no instance becomes known', async () => {
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

  it('makes room for a day that nobody prepared', async () => {
    clock.set('2026-12-24T08:00:00Z');
    const { token } = await client.serviceToken();
    const row = (await ledgerRows(issuer)).at(-1);
    expect(row).toMatchObject({ jti: decodeJwt(token).jti, issued_at: clock.now() });
  });

  it('keeps a version without whatever else a caller wrote behind it', async () => {
    const query = syncQuery('serviceToken { token }', { namesOperation: true });
    const gitlabVersion = `19.1.0-pre <b>\u0000${'x'.repeat(500)}`;
    const { data } = await client.send({ query, variables: { licenseKey, gitlabVersion } });
    const { jti } = decodeJwt(data?.serviceToken?.token ?? '');
    const row = (await ledgerRows(issuer)).find((one) => one.jti === jti);
    expect(row?.gitlab_version).toBe('19.1.0-pre');
  });

  it('holds no text of any token, nor does any other table, nor a key in the clear', async () => {
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
