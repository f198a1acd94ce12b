import { randomUUID } from 'node:crypto';
import { createBackend } from '../../examples/backend/src/backend.js';
import { FakeClock } from '../support/fake-clock.js';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { requestHeaders } from './foreign-issuer.js';

type Backend = ReturnType<typeof createBackend>;

describe('the example backend, with tokens of this issuer', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let backend: Backend;
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock, environment: { TOKEN_STATUS_LIST: 'true' } });
    backend = createBackend({
      issuers: [issuer.url],
      audience: 'gitlab-ai-gateway',
      clock: () => clock.now(),
      statusList: true,
      whenStatusUnavailable: 'refuse',
    });
    await backend.ready();
  });
  afterEach(async () => {
    await backend.close();
    await issuer.stop();
  });

  const instanceId = randomUUID();
  const licensed = async (addOn: string) => {
    const license = await registerLicense(issuer);
    await recordPurchase(issuer, license.id, { add_on: addOn });
    return license;
  };
  const sync = async (licenseKey: string) =>
    (await new GitlabInstance(issuer.url, { licenseKey, instanceId }).serviceToken()).token;
  async function post(path: string, token: string) {
    const headers = requestHeaders(token, { 'x-gitlab-instance-id': instanceId });
    const { statusCode, body } = await backend.inject({ method: 'POST', url: path, headers });
    return [statusCode, JSON.parse(body) as unknown];
  }

  it('refuses a primitive until its add-on has been bought and the instance has synced', async () => {
    const { id, licenseKey } = await licensed('duo_core');
    const before = await sync(licenseKey);
    const hello = { answer: 'Hello!', instance: instanceId };
    expect(await post('/v1/chat', before)).toEqual([200, hello]);
    const refused = [403, { detail: 'Unauthorized to access summarize_comments' }];
    expect(await post('/v1/summaries', before)).toEqual(refused);
    await recordPurchase(issuer, id, { add_on: 'duo_enterprise' });
    expect(await post('/v1/summaries', before)).toEqual(refused);
    expect(await post('/v1/summaries', await sync(licenseKey))).toMatchObject([200, {}]);
  });

  it('accepts a token until it expires, also across a rotation of keys', async () => {
    // By then, the next key has been published for long enough to sign.
    clock.advance(95_040_000);
    const { licenseKey } = await licensed('duo_enterprise');
    const before = await sync(licenseKey);
    expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(200);
    clock.advance(60_000);
    expect((await post('/v1/chat', before))[0]).toBe(200);
    expect((await post('/v1/chat', await sync(licenseKey)))[0]).toBe(200);
    clock.advance(3 * 24 * 3_600_000 - 60_001);
    expect((await post('/v1/chat', before))[0]).toBe(200);
    clock.advance(1);
    expect(await post('/v1/chat', before)).toEqual([401, { error: 'Forbidden by auth provider' }]);
  });

  it('refuses a revoked token once the list that it keeps is as old as its ttl', async () => {
    const { licenseKey } = await licensed('duo_enterprise');
    const token = await sync(licenseKey);
    expect((await post('/v1/chat', token))[0]).toBe(200);
    const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const { jti } = JSON.parse(claims) as { jti: string };
    await issuer.admin('POST', `service_tokens/${jti}/revoke`);
    clock.advance(299_999);
    expect((await post('/v1/chat', token))[0]).toBe(200);
    clock.advance(1);
    expect(await post('/v1/chat', token)).toEqual([401, { error: 'Forbidden by auth provider' }]);
    expect((await post('/v1/chat', await sync(licenseKey)))[0]).toBe(200);
  });

  it('does not accept a status list as a token, and shows whose keys it has', async () => {
    const { licenseKey } = await licensed('duo_enterprise');
    const token = await sync(licenseKey);
    const list = await (await fetch(`${issuer.url}/status/0`)).text();
    expect((await post('/v1/chat', list))[0]).toBe(401);
    expect((await post('/v1/chat', token))[0]).toBe(200);
    const health = await backend.inject({ url: '/healthz' });
    expect(health.json()).toMatchObject({ status: 'ok', issuers: [{ issuer: issuer.url }] });
  });
});
