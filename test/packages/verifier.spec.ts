import {
  createVerifier,
  type Verdict,
  type VerifierOptions,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { AUDIENCE, ForeignIssuer, INSTANCE, requestHeaders } from './foreign-issuer.js';

const NOW = '2026-03-10T12:00:00Z';

describe('a verifier of service tokens', () => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  beforeEach(async () => {
    clock.set(NOW);
    issuer = await new ForeignIssuer().start();
  });
  afterEach(() => issuer.stop());

  const verifier = (about: Partial<VerifierOptions> = {}) =>
    createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      clock: () => clock.now(),
      ...about,
    });
  const token = (about = {}) => issuer.token(clock.now(), about);
  const codeOf = (verdict: Verdict) => (verdict.accepted ? 'accepted' : verdict.code);

  it('accepts a good token of an issuer that is none of ours, and tells who asks', async () => {
    const verdict = await verifier().verify(requestHeaders(token()));
    expect(verdict).toMatchObject({
      accepted: true,
      user: {
        issuer: issuer.url,
        instanceId: INSTANCE,
        realm: 'self-managed',
        scopes: ['duo_chat'],
      },
    });
    const user = verdict.accepted ? verdict.user : null;
    expect(user?.can('duo_chat')).toBe(true);
    expect(user?.can('code_suggestions')).toBe(false);
    expect(user?.can('duo_chat', { disallowedIssuers: [issuer.url] })).toBe(false);
    expect(user?.can('duo_chat', { disallowedIssuers: ['https://other.example'] })).toBe(true);
  });

  it('reads the headers of Fetch as those of Node, and a bare token without any', async () => {
    const headers = requestHeaders(token());
    for (const request of [headers, new Headers(headers), token()]) {
      expect(codeOf(await verifier().verify(request))).toBe('accepted');
    }
  });

  it.each([
    ['authorization', undefined, 'No authorization header presented'],
    ['authorization', 'Basic YTpi', 'Invalid authorization header'],
    ['authorization', 'Bearer', 'Invalid authorization header'],
    ['authorization', 'Bearer  x.y.z', 'Invalid authorization header'],
    ['authorization', 'Bearer x.y.z, Bearer x.y.z', 'Invalid authorization header'],
    ['authorization', 'Bearer x.y.z', 'Forbidden by auth provider'],
    [
      'x-gitlab-authentication-type',
      'OIDC',
      'Invalid authentication token type - only OIDC is supported',
    ],
    [
      'x-gitlab-authentication-type',
      undefined,
      'Invalid authentication token type - only OIDC is supported',
    ],
    ['x-gitlab-realm', 'saas', "Header mismatch 'X-Gitlab-Realm'"],
    ['x-gitlab-realm', undefined, "Header mismatch 'X-Gitlab-Realm'"],
    ['x-gitlab-instance-id', INSTANCE.toUpperCase(), "Header mismatch 'X-Gitlab-Instance-Id'"],
    ['x-gitlab-instance-id', undefined, "Header mismatch 'X-Gitlab-Instance-Id'"],
  ])('answers 401 to a request whose %s is %s', async (name, value, error) => {
    const verdict = await verifier().verify(requestHeaders(token(), { [name]: value }));
    expect(verdict).toMatchObject({ accepted: false, status: 401, body: { error } });
  });

  it('compares gitlab_instance_id with the same header, unless it is empty', async () => {
    const other = token({ gitlab_instance_id: 'another' });
    expect(await verifier().verify(requestHeaders(other))).toMatchObject({
      code: 'HEADER_MISMATCH',
      body: { error: "Header mismatch 'X-Gitlab-Instance-Id'" },
    });
    for (const gitlab_instance_id of ['', INSTANCE]) {
      const same = requestHeaders(token({ gitlab_instance_id }));
      expect(codeOf(await verifier().verify(same))).toBe('accepted');
    }
  });

  it('accepts a token from nbf on and before exp, with the leeway that it is given', async () => {
    const held = requestHeaders(token());
    const codeAt = async (instant: string, leewaySeconds: number) => {
      clock.set(instant);
      return codeOf(await verifier({ leewaySeconds }).verify(held));
    };
    expect(await codeAt('2026-03-10T11:59:54.999Z', 0)).toBe('TOKEN_NOT_YET_VALID');
    expect(await codeAt('2026-03-10T11:59:55.000Z', 0)).toBe('accepted');
    expect(await codeAt('2026-03-10T12:59:59.999Z', 0)).toBe('accepted');
    expect(await codeAt('2026-03-10T13:00:00.000Z', 0)).toBe('TOKEN_EXPIRED');
    expect(await codeAt('2026-03-10T11:59:44.999Z', 10)).toBe('TOKEN_NOT_YET_VALID');
    expect(await codeAt('2026-03-10T11:59:45.000Z', 10)).toBe('accepted');
    expect(await codeAt('2026-03-10T13:00:09.999Z', 10)).toBe('accepted');
    expect(await codeAt('2026-03-10T13:00:10.000Z', 10)).toBe('TOKEN_EXPIRED');
  });

  it.each([
    { issuers: [] },
    { issuers: ['http://issuer.example'] },
    { issuers: ['not a URL'] },
    { issuers: ['https://a.example', 'https://a.example'] },
    { issuers: [{ issuer: 'https://a.example', keyOrigins: ['http://keys.example'] }] },
    { issuers: undefined as unknown as [] },
    { issuers: 'https://a.example' as unknown as [] },
    { issuers: [undefined as unknown as string] },
    { issuers: [''] },
    { issuers: [{ issuer: 'https://a.example', keyOrigin: [] } as { issuer: string }] },
    { audience: '' },
    { audience: [] },
    { audience: undefined as unknown as string },
    { audience: [undefined as unknown as string] },
    { statuslist: true },
    { statusList: 'true' as unknown as boolean },
    { whenStatusUnavailable: 'deny' as 'refuse' },
    { clock: new Date() as unknown as () => Date },
    { leewaySeconds: -1 },
    { leewaySeconds: NaN },
    { leewaySeconds: '60' as unknown as number },
    { cooldownSeconds: NaN },
    { maxStaleSeconds: Infinity },
    { timeoutMs: -1 },
  ])('can not be made with %j', (about) => {
    expect(() => verifier(about)).toThrow(TypeError);
  });

  it('refuses a request that is none, as one without a token', async () => {
    for (const nothing of [undefined, null, 7]) {
      const verdict = await verifier().verify(nothing as unknown as string);
      expect(codeOf(verdict)).toBe('AUTHORIZATION_MISSING');
    }
  });

  it('takes http from a loopback host only', () => {
    for (const host of ['localhost:3000', '127.0.0.1:1', '[::1]:80']) {
      expect(() => verifier({ issuers: [`http://${host}`] })).not.toThrow();
    }
    for (const host of ['localhost.example', '127.0.0.1.example', '10.0.0.1', 'a@b']) {
      expect(() => verifier({ issuers: [`http://${host}`] })).toThrow(TypeError);
    }
  });
});
