import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { backendHeaders, BackendValidator, type Verdict } from '../support/backend-validator.js';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const INSTANCE_ID = '8D1C1F3E-2B7A-4C0E-9F53-6A1B2C3D4E5F';
const AI_GATEWAY = 'gitlab-ai-gateway';
const ISSUED_AT = '2026-03-10T12:00:00Z';

describe('a backend service that knows nothing but the issuer', () => {
  const clock = new FakeClock(new Date(ISSUED_AT));
  const validatorsClock = new FakeClock();
  let issuer: TestIssuer;
  let token: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_pro' });
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    ({ token } = await client.serviceToken());
  });
  beforeEach(() => {
    validatorsClock.set(ISSUED_AT);
  });
  afterAll(() => issuer.stop());

  function validator(audience = AI_GATEWAY, issuerUrl = issuer.url): BackendValidator {
    return new BackendValidator(issuerUrl, audience, () => validatorsClock.now());
  }

  function judge(headers: Headers, audience = AI_GATEWAY): Promise<Verdict> {
    return validator(audience).judge(headers);
  }

  const FORBIDDEN = { accepted: false, error: 'Forbidden by auth provider' };
  const wrong = (header: string) => ({ accepted: false, error: `Header mismatch '${header}'` });

  it('accepts the token of a sync with the headers of its instance', async () => {
    const verdict = await judge(backendHeaders(token, INSTANCE_ID));
    expect(verdict).toMatchObject({
      accepted: true,
      claims: { iss: issuer.url, sub: INSTANCE_ID },
    });
    expect(verdict).toMatchObject({
      scopes: expect.arrayContaining(['include_file_context']) as [],
    });
  });

  it('finds in it the scopes of what was bought, and of nothing else', async () => {
    const verdict = await judge(backendHeaders(token, INSTANCE_ID));
    if (!verdict.accepted) throw new Error(verdict.error);
    expect(verdict.scopes).toContain('complete_code');
    expect(verdict.scopes).not.toContain('ask_epic');
  });

  it('accepts it at each of its audiences and refuses it at any other', async () => {
    const { aud } = decodeJwt(token);
    expect(aud).toEqual(expect.arrayContaining([AI_GATEWAY, 'gitlab-duo-workflow-service']));
    for (const audience of aud ?? []) {
      expect((await judge(backendHeaders(token, INSTANCE_ID), audience)).accepted).toBe(true);
    }
    for (const audience of ['gitlab-other', '', issuer.url]) {
      expect(await judge(backendHeaders(token, INSTANCE_ID), audience)).toEqual(FORBIDDEN);
    }
  });

  it('drops any path of the URL that it was given, and still finds the keys', async () => {
    const odd = validator(AI_GATEWAY, `${issuer.url}/some/path`);
    expect((await odd.judge(backendHeaders(token, INSTANCE_ID))).accepted).toBe(true);
  });

  it.each([
    ['another instance', '11111111-2222-4333-8444-555555555555'],
    ['the same instance in lower case', INSTANCE_ID.toLowerCase()],
    ['no instance', ''],
  ])('refuses it from %s', async (_who, instanceId) => {
    expect(await judge(backendHeaders(token, instanceId))).toEqual(wrong('X-Gitlab-Instance-Id'));
  });

  it('refuses it from another realm or without one', async () => {
    const saas = backendHeaders(token, INSTANCE_ID, { 'x-gitlab-realm': 'saas' });
    expect(await judge(saas)).toEqual(wrong('X-Gitlab-Realm'));
    const none = backendHeaders(token, INSTANCE_ID);
    none.delete('x-gitlab-realm');
    expect(await judge(none)).toEqual(wrong('X-Gitlab-Realm'));
  });

  it('refuses it without the authentication type, and a request without a token', async () => {
    const untyped = backendHeaders(token, INSTANCE_ID);
    untyped.delete('x-gitlab-authentication-type');
    expect(await judge(untyped)).toEqual(FORBIDDEN);
    const bare = backendHeaders(token, INSTANCE_ID);
    bare.delete('authorization');
    expect(await judge(bare)).toEqual(FORBIDDEN);
  });

  it.each([
    ['2026-03-10T11:59:54Z', false, 'a second before nbf'],
    ['2026-03-10T11:59:55Z', true, 'at nbf, five seconds before it was issued'],
    ['2026-03-13T11:59:59Z', true, 'in its last second'],
    ['2026-03-13T12:00:01Z', false, 'a second after exp'],
  ])('whose clock says %s: accepts it is %s (%s)', async (now, accepted) => {
    validatorsClock.set(now);
    expect((await judge(backendHeaders(token, INSTANCE_ID))).accepted).toBe(accepted);
  });

  it('refuses it once a single character of it is another', async () => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = decodeJwt(token);
    const forged = Buffer.from(JSON.stringify({ ...claims, scopes: ['ask_epic'] })).toString(
      'base64url',
    );
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const unsigned = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    for (const bad of [
      [header, forged, signature],
      [header, payload, flipped],
      [unsigned, payload, ''],
    ]) {
      expect(await judge(backendHeaders(bad.join('.'), INSTANCE_ID))).toEqual(FORBIDDEN);
    }
  });

  it('refuses the same claims under a key that is not published, whatever its kid says', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { keys } = (await (await fetch(`${issuer.url}/oauth/discovery/keys`)).json()) as {
      keys: { kid: string }[];
    };
    const kid = keys[0]?.kid ?? '';
    const forged = await new SignJWT(decodeJwt(token))
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid })
      .sign(privateKey);
    expect(await judge(backendHeaders(forged, INSTANCE_ID))).toEqual(FORBIDDEN);
  });

  it('goes on with the keys that it has when the issuer is gone', async () => {
    const other = await startTestIssuer({ clock });
    const { licenseKey } = await registerLicense(other);
    const identity = { licenseKey, instanceId: INSTANCE_ID };
    const { token: last } = await new GitlabInstance(other.url, identity).serviceToken();
    const backend = validator('gitlab-security-gateway', other.url);
    expect((await backend.judge(backendHeaders(last, INSTANCE_ID))).accepted).toBe(true);
    await other.stop();
    expect((await backend.judge(backendHeaders(last, INSTANCE_ID))).accepted).toBe(true);
  });

  it('does not take the token of one issuer for that of another', async () => {
    const other = await startTestIssuer({ clock });
    const verdict = await validator(AI_GATEWAY, other.url).judge(
      backendHeaders(token, INSTANCE_ID),
    );
    expect(verdict).toEqual(FORBIDDEN);
    await other.stop();
  });
});
