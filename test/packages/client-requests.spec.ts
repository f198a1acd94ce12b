import { createHash, randomUUID } from 'node:crypto';
import { UnsecuredJWT } from 'jose';
import {
  createInstanceClient,
  type InstanceClientOptions,
  type LogEvent,
  memoryStore,
  type TokenStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.js';

const NOON = Date.parse('2026-03-10T12:00:00Z') / 1000;
const BUSY = { errors: [{ message: 'busy', extensions: { code: 'UNAVAILABLE' } }] };
const CODE = 'an-activation-code';
const activated = (about: object) => ({
  data: {
    cloudActivationActivate: {
      licenseKey: null,
      futureSubscriptions: [],
      newSubscription: null,
      errors: [],
      ...about,
    },
  },
});
const DENIED = { errors: [{ message: 'no', extensions: { code: 'LICENSE_EXPIRED' } }] };

describe('the requests of an instance client', () => {
  const INSTANCE = 'E2F5D0A4-1b7c-4c3e-9a60-0a1b2c3d4e5f';
  function answerWith(about: object = {}) {
    const claims = { sub: INSTANCE, iat: NOON, exp: NOON + 259_200, gitlab_realm: 'self-managed' };
    const token = new UnsecuredJWT({ ...claims, ...about }).encode();
    return { data: { cloudConnectorAccess: { serviceToken: { token, expiresAt: '2026-03-13' } } } };
  }
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

  it('succeed after passing faults: a cut connection, a gateway page, a time-out', async () => {
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

  it('follow no redirect, so the key goes nowhere else', async () => {
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

  it('do not store a token whose revocation another process has learnt meanwhile', async () => {
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
    const newest = {
      userId: 7,
      sendUserId: true,
      deploymentType: 'self_managed',
      subjectType: 'user',
      enabledFeatureFlags: ['one', 'two'],
      requestId: 'one',
    };
    expect(await client.headers(newest)).toEqual({
      ...always,
      'X-Gitlab-Global-User-Id': createHash('sha256').update(`${INSTANCE}7`).digest('base64'),
      'x-gitlab-user-id': '7',
      'x-gitlab-deployment-type': 'self_managed',
      'x-gitlab-subject-type': 'user',
      'x-gitlab-enabled-feature-flags': 'one,two',
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

describe('an instance client', () => {
  const INSTANCE = 'e2f5d0a4-1b7c-4c3e-9a60-0a1b2c3d4e5f';
  const clock = new FakeClock(new Date('2026-03-10T03:30:00Z'));
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  function newClient(about: Partial<InstanceClientOptions> = {}) {
    const store = about.store ?? memoryStore();
    const log: string[] = [];
    const client = createInstanceClient({
      url: server.url,
      instanceId: INSTANCE,
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.5.0-ee',
      store,
      clock,
      wait: () => Promise.resolve(),
      log: ({ message }) => log.push(message),
      ...about,
    });
    return { client, store, log };
  }

  it('activates with variables that are declared one by one, and keeps the license key', async () => {
    server.script(activated({ licenseKey: 'the key\r\n' }));
    const { client, store, log } = newClient({ uniqueInstanceId: 'unique' });
    const { licenseKey } = await client.activate({ activationCode: ` ${CODE}\n` });
    expect([licenseKey, (await store.read()).licenseKey]).toEqual(['the key', 'the key']);
    const body = server.received[0]?.body ?? {};
    expect(body['variables']).toEqual({
      activationCode: CODE,
      instanceIdentifier: INSTANCE,
      uniqueInstanceId: 'unique',
      automated: false,
      gitlabVersion: '18.5.0-ee',
      hostname: 'gitlab.example.com',
    });
    expect(body['query']).toMatch(/^mutation\(\$activationCode: String!, \$instanceIdentifier/);
    expect(log.join()).not.toMatch(/the key|an-activation-code/);
  });

  it('does not name a unique instance id where it has none', async () => {
    server.script(activated({ licenseKey: 'the key' }));
    await newClient().client.activate({ activationCode: CODE, automated: true });
    expect(JSON.stringify(server.received[0]?.body)).not.toContain('uniqueInstanceId');
    expect(server.received[0]?.body['variables']).toMatchObject({ automated: true });
  });

  it.each([
    [activated({ errors: ['It was used.'] }), 'ACTIVATION_REFUSED', ['It was used.']],
    [{ errors: [{ message: 'No.' }] }, 'ACTIVATION_REFUSED', ['No.']],
    [activated({}), 'ANSWER_UNUSABLE', []],
    [[], 'ANSWER_UNUSABLE', []],
  ])('keeps nothing of an activation that brought no key: %j', async (answer, code, details) => {
    server.script(answer);
    const { client, store } = newClient();
    await expect(client.activate({ activationCode: CODE })).rejects.toMatchObject({
      code,
      details,
    });
    expect((await store.read()).licenseKey).toBeNull();
    expect(server.received).toHaveLength(1);
    await expect(client.sync()).rejects.toMatchObject({ code: 'NO_LICENSE_KEY' });
  });

  it('sends seats and users with the key in use, and keeps the one that comes back', async () => {
    server.script(activated({ licenseKey: 'first' }), json(503, {}), {
      license: 'second',
      next_reconciliation_date: '2026-06-01',
      display_alert_from: '2026-05-25',
      future_subscriptions: [{ plan: 'ultimate' }],
      new_subscription: false,
    });
    const { client, store } = newClient();
    await client.activate({ activationCode: CODE });
    const seatLink = await client.sendSeatLink({
      maxHistoricalUserCount: 12,
      billableUsersCount: 10,
      addOnMetrics: [{ addOnType: 'duo_pro', purchasedSeats: 5, assignedSeats: 4 }],
    });
    expect(server.received[2]?.path).toBe('/api/v1/seat_links');
    expect(server.received[2]?.body).toEqual({
      gitlab_version: '18.5.0-ee',
      timestamp: '2026-03-10T03:30:00.000Z',
      license_key: 'first',
      max_historical_user_count: 12,
      billable_users_count: 10,
      hostname: 'gitlab.example.com',
      instance_id: INSTANCE,
      add_on_metrics: [{ add_on_type: 'duo_pro', purchased_seats: 5, assigned_seats: 4 }],
    });
    expect(seatLink).toEqual({
      licenseKey: 'second',
      nextReconciliationDate: '2026-06-01',
      displayAlertFrom: '2026-05-25',
      futureSubscriptions: [{ plan: 'ultimate' }],
      newSubscription: false,
    });
    expect((await store.read()).licenseKey).toBe('second');
  });

  it('returns why a seat link was refused, and keeps its key', async () => {
    server.script(json(422, { errors: ['It was cancelled.'], error_attribute_map: {} }));
    const { client } = newClient({ licenseKey: 'the key' });
    const sent = client.sendSeatLink({ maxHistoricalUserCount: 1, billableUsersCount: 1 });
    await expect(sent).rejects.toMatchObject({
      code: 'SEAT_LINK_REFUSED',
      details: ['It was cancelled.'],
    });
    expect(server.received).toHaveLength(1);
  });
});

describe('the schedule of an instance client', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  /** The first `count` waits in minutes. `random` replaces the random number. */
  async function waits(count: number, random: () => number, store: TokenStore = memoryStore()) {
    const minutes: number[] = [];
    let isEnough = (): void => undefined;
    const enough = new Promise<void>((done) => (isEnough = done));
    const client = createInstanceClient({
      url: server.url,
      instanceId: randomUUID(),
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.5.0-ee',
      licenseKey: 'the key',
      store,
      clock,
      random,
      wait: (milliseconds, signal) => {
        minutes.push(milliseconds / 60_000);
        if (minutes.length < count) return Promise.resolve();
        isEnough();
        return new Promise((_, stopped) => {
          signal.addEventListener('abort', () => {
            stopped(new Error('stopped'));
          });
        });
      },
    });
    client.start();
    client.start();
    await enough;
    await client.stop();
    return minutes;
  }

  it('checks every hour, give or take six minutes, also after a denial', async () => {
    server.script(DENIED);
    const chances = [0, 0.5, 1];
    const minutes = await waits(3, () => chances.shift() ?? 0);
    expect(minutes.map(Math.round)).toEqual([54, 60, 66]);
    expect(server.received).toHaveLength(3);
  });

  it('waits as long as Retry-After says, if that is longer than its own pause', async () => {
    server.script(json(503, DENIED, { 'retry-after': '7200' }));
    expect((await waits(2, () => 0.5)).map(Math.round)).toEqual([126, 126]);
  });

  it.each(['121', '1200', '3240'])(
    'does not check sooner for a Retry-After of %s s',
    async (seconds) => {
      server.script(json(503, DENIED, { 'retry-after': seconds }));
      expect((await waits(2, () => 0.5)).map(Math.round)).toEqual([60, 60]);
    },
  );

  it('does not check sooner after an outage in which all quick retries failed', async () => {
    server.script(json(503, DENIED, { 'retry-after': '1' }));
    const quickRetries = 3;
    const minutes = await waits(quickRetries + 1, () => 0.5);
    expect(Math.round(minutes[quickRetries] ?? 0)).toBe(60);
  });

  it('goes on when the store fails, and tries sooner', async () => {
    const store: TokenStore = {
      read: () => Promise.reject(new Error('the disk is full')),
      update: () => Promise.reject(new Error('the disk is full')),
    };
    expect((await waits(3, () => 0.5, store)).map(Math.round)).toEqual([6, 6, 6]);
  });
});

describe('the log of an instance client', () => {
  const INSTANCE = 'e2f5d0a4-1b7c-4c3e-9a60-0a1b2c3d4e5f';
  let server: ScriptedServer;
  const log: LogEvent[] = [];
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  function newClient(about: Partial<InstanceClientOptions> = {}) {
    return createInstanceClient({
      ...{ url: server.url, instanceId: INSTANCE, hostname: 'gitlab.example.com' },
      ...{ gitlabVersion: '18.5.0-ee', licenseKey: 'line one\nline two', store: memoryStore() },
      log: (event) => log.push(event),
      ...about,
    });
  }

  it('has the message of the issuer in one line, without a license key in it', async () => {
    const message = '\u001b[2Jno license has the key line one\nline two\nerror forged';
    server.script({ errors: [{ message, extensions: { code: 'LICENSE_NOT_FOUND' } }] });
    const told = '[2Jno license has the key [removed] error forged';
    expect(await newClient().sync()).toMatchObject({ outcome: 'denied', message: told });
    expect(log.map((event) => event.message)).toEqual([`LICENSE_NOT_FOUND: ${told}`]);
  });

  it('has no secrets, and the errors have none either', async () => {
    server.script(json(422, { errors: ['line one\nline two'], error_attribute_map: {} }));
    const usage = { maxHistoricalUserCount: 1, billableUsersCount: 1 };
    await expect(newClient().sendSeatLink(usage)).rejects.toMatchObject({ details: ['[removed]'] });

    const errors = ['\u0007no code is CODEcodeCODEcode'];
    server.script({ data: { cloudActivationActivate: { licenseKey: null, errors } } });
    const activation = newClient().activate({ activationCode: 'CODEcodeCODEcode' });
    await expect(activation).rejects.toMatchObject({ details: ['no code is [removed]'] });
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the disk is full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the disk is full'))],
  ])('may fail: a sync goes on when it %s', async (_how, failing) => {
    const exp = Math.floor(Date.now() / 1000) + 86_400;
    const token = new UnsecuredJWT({ sub: INSTANCE, iat: exp - 86_400, exp }).encode();
    server.script({ data: { cloudConnectorAccess: { serviceToken: { token, expiresAt: '' } } } });
    expect(await newClient({ log: failing }).sync()).toMatchObject({ outcome: 'stored' });
  });
});
