import { createHash } from 'node:crypto';
import { UnsecuredJWT } from 'jose';
import {
  createInstanceClient,
  type LogEvent,
  memoryStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import type { InstanceClientOptions } from '../../packages/cloud-connector-instance/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.js';

const INSTANCE = 'E2F5D0A4-1b7c-4c3e-9a60-0a1b2c3d4e5f';
const NOON = Date.parse('2026-03-10T12:00:00Z') / 1000;
const BUSY = { errors: [{ message: 'busy', extensions: { code: 'UNAVAILABLE' } }] };

function answerWith(about: object = {}) {
  const claims = { sub: INSTANCE, iat: NOON, exp: NOON + 259_200, gitlab_realm: 'self-managed' };
  const token = new UnsecuredJWT({ ...claims, ...about }).encode();
  return { data: { cloudConnectorAccess: { serviceToken: { token, expiresAt: '2026-03-13' } } } };
}

describe('the requests of an instance client', () => {
  const clock = new FakeClock();
  let server: ScriptedServer;
  let waits: number[];
  let log: LogEvent[];
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
    [waits, log] = [[], []];
  });
  afterAll(() => server.stop());

  function newClient(about: Partial<InstanceClientOptions> = {}) {
    return createInstanceClient({
      url: `${server.url}/`,
      instanceId: INSTANCE,
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.5.0-ee',
      licenseKey: 'line one\r\nline two\n',
      store: memoryStore(),
      clock,
      random: () => 1,
      wait: (milliseconds) => {
        waits.push(milliseconds);
        clock.advance(milliseconds);
        return Promise.resolve();
      },
      log: (event) => log.push(event),
      ...about,
    });
  }

  it('are those of the contract, the key trimmed and its lines ended by LF', async () => {
    server.script(answerWith());
    await newClient().sync();
    const [{ path, headers, body } = { path: '', headers: {}, body: {} }] = server.received;
    expect(path).toBe('/graphql');
    expect(headers).toMatchObject({
      'user-agent': 'GitLab/18.5.0-ee',
      accept: 'application/json',
      'content-type': 'application/json',
      'x-gitlab-host-name': 'gitlab.example.com',
      'x-gitlab-instance-id': INSTANCE,
      'x-gitlab-realm': 'self-managed',
      'x-gitlab-version': '18.5.0-ee',
    });
    expect(Object.keys(body)).toEqual(['query', 'variables']);
    expect(body['variables']).toEqual({
      licenseKey: 'line one\nline two',
      gitlabVersion: '18.5.0-ee',
    });
  });

  it('are tried three times more, with waits that grow, and then left to the next check', async () => {
    server.script(json(503, BUSY));
    expect(await newClient().sync()).toEqual({
      outcome: 'failed',
      message: 'UNAVAILABLE: busy',
      retryAt: null,
    });
    expect(server.received).toHaveLength(4);
    expect(waits).toEqual([2000, 8000, 32_000]);
  });

  it('succeed after what passes: a cut connection, a gateway page, a time-out', async () => {
    server.script(
      (response) => response.destroy(),
      (response) => response.end('<html>maintenance</html>'),
      () => undefined,
      answerWith(),
    );
    expect(await newClient({ timeoutMs: 200 }).sync()).toMatchObject({ outcome: 'stored' });
    expect(server.received).toHaveLength(4);
  });

  it('wait as long as Retry-After says, in seconds or until a date', async () => {
    server.script(
      json(503, BUSY, { 'retry-after': '60' }),
      json(429, BUSY, { 'retry-after': 'Tue, 10 Mar 2026 12:02:30 GMT' }),
      answerWith(),
    );
    expect(await newClient().sync()).toMatchObject({ outcome: 'stored' });
    expect(waits).toEqual([60_000, 90_000]);
  });

  it('do not wait for a long Retry-After, but keep away until then', async () => {
    server.script(json(503, BUSY, { 'retry-after': '3600' }), answerWith());
    const client = newClient();
    const until = new Date('2026-03-10T13:00:00Z');
    expect(await client.checkToken()).toMatchObject({ outcome: 'failed', retryAt: until });
    expect(waits).toEqual([]);
    clock.advance(3_599_999);
    expect(await client.checkToken()).toEqual({ outcome: 'postponed', until });
    expect(server.received).toHaveLength(1);
    clock.advance(1);
    expect(await client.checkToken()).toMatchObject({ outcome: 'stored' });
  });

  it('are not kept away by a clock that was set back after a Retry-After', async () => {
    server.script(json(503, BUSY, { 'retry-after': '3600' }), answerWith());
    const client = newClient();
    await client.checkToken();
    clock.set('2020-01-01T00:00:00Z');
    expect(await client.checkToken()).toMatchObject({ outcome: 'stored' });
  });

  it('follow no redirect: the key goes to nobody else', async () => {
    const elsewhere = await startScriptedServer();
    elsewhere.script(answerWith());
    server.script(json(307, {}, { location: `${elsewhere.url}/graphql` }));
    expect(await newClient().sync()).toMatchObject({ outcome: 'failed', message: 'status 307' });
    expect(elsewhere.received).toEqual([]);
    await elsewhere.stop();
  });

  it('read no more than eight MiB of an answer', async () => {
    const piece = Buffer.alloc(1024 * 1024, ' ');
    server.script((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (let mebibyte = 0; mebibyte < 9; mebibyte += 1) response.write(piece);
      response.end('{}');
    });
    const outcome = await newClient().sync();
    expect(JSON.stringify(outcome)).toContain('longer than 8 MiB');
  });

  it.each([
    ['of another instance', { sub: INSTANCE.toLowerCase() }],
    ['without an expiry', { exp: undefined }],
  ])('never store a token %s', async (_what, claims) => {
    server.script(answerWith(claims));
    const store = memoryStore();
    expect(await newClient({ store }).sync()).toMatchObject({ outcome: 'failed' });
    expect((await store.read()).tokens).toEqual([]);
  });

  it('store no token that another process learnt the revocation of meanwhile', async () => {
    const store = memoryStore();
    const learnt = newClient({ store });
    const revocation = { data: { cloudConnectorAccess: { serviceToken: null } } };
    let slowly = (): void => undefined;
    const asked = new Promise<void>((asks) => {
      server.script((response) => {
        slowly = () => {
          json(200, answerWith())(response);
        };
        asks();
      }, revocation);
    });
    const slow = newClient({ store }).sync();
    await asked;
    expect(await learnt.sync()).toEqual({ outcome: 'revoked' });
    slowly();
    expect(await slow).toEqual({ outcome: 'revoked' });
    expect((await store.read()).tokens).toEqual([]);
    expect(log.map(({ event }) => event)).toContain('token_outdated');
  });

  it.each([
    'http://issuer.example.com',
    'ftp://127.0.0.1',
    'https://user:password@issuer.example.com',
    'https://issuer.example.com/?a=b',
    'issuer.example.com',
  ])('are not sent to %s', (url) => {
    expect(() => newClient({ url })).toThrow(/^url must/);
  });

  it('to a backend bear exactly the headers of the contract', async () => {
    server.script(answerWith());
    const client = newClient();
    await client.sync();
    const token = answerWith().data.cloudConnectorAccess.serviceToken.token;
    const always = {
      Authorization: `Bearer ${token}`,
      'X-Gitlab-Authentication-Type': 'oidc',
      'X-Gitlab-Instance-Id': INSTANCE,
      'X-Gitlab-Realm': 'self-managed',
      'X-Gitlab-Host-Name': 'gitlab.example.com',
      'X-Gitlab-Version': '18.5.0-ee',
      'X-Request-ID': 'one',
    };
    expect(await client.headers({ requestId: 'one' })).toEqual(always);
    const headers = await client.headers({
      userId: 7,
      unitPrimitive: 'duo_chat',
      aiFeatureName: 'chat',
      namespaceIds: [1, '2'],
      featureEnablementType: 'add_on',
      requestId: 'one',
    });
    expect(headers).toEqual({
      ...always,
      'X-Gitlab-Global-User-Id': createHash('sha256').update(`${INSTANCE}7`).digest('base64'),
      'X-Gitlab-Feature-Enabled-By-Namespace-Ids': '1,2',
      'X-Gitlab-Feature-Enablement-Type': 'add_on',
      'x-gitlab-unit-primitive': 'duo_chat',
    });
    expect((await client.headers())['X-Request-ID']).toMatch(/^[0-9a-f-]{36}$/);
    await expect(client.headers({ requestId: 'a\r\nb' })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  it("to a backend hide the user's id behind the instance's secret", async () => {
    server.script(answerWith());
    const client = newClient({ globalUserIdSecret: 'database-key-base' });
    await client.sync();
    const expected = createHash('sha256').update(`${INSTANCE}7database-key-base`).digest('base64');
    const { 'X-Gitlab-Global-User-Id': globalUserId } = await client.headers({ userId: 7 });
    expect(globalUserId).toBe(expected);
    expect(() => newClient({ globalUserIdSecret: '' })).toThrow(/^globalUserIdSecret must/);
  });
});
