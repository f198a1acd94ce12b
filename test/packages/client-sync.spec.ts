import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import {
  createInstanceClient,
  fileStore,
  type InstanceClientOptions,
  type LogEvent,
  memoryStore,
  type TokenStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { waitByClock } from '../../packages/cloud-connector-instance/src/clock.js';
import { recordPurchase, registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const HOUR = 3_600_000;

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('an instance client and the issuer', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  function clientOf(licenseKey: string, about: Partial<InstanceClientOptions> = {}) {
    const log: LogEvent[] = [];
    const instanceId = about.instanceId ?? randomUUID();
    const store = about.store ?? memoryStore();
    const client = createInstanceClient({
      url: issuer.url,
      instanceId,
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.5.0-ee',
      licenseKey,
      store,
      clock,
      wait: (milliseconds) => {
        clock.advance(milliseconds);
        return Promise.resolve();
      },
      random: () => 0,
      log: (event) => log.push(event),
      ...about,
    });
    return { client, instanceId, store, log };
  }
  const tokensIn = async (store: TokenStore) => (await store.read()).tokens;

  it('stores a token of its own, good for three days, and the catalog beside it', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { client, instanceId, store } = clientOf(` ${licenseKey}\r\n`);
    expect(await client.sync()).toEqual({
      outcome: 'stored',
      expiresAt: new Date('2026-03-13T12:00:00Z'),
    });
    const { tokens, catalog, availableServices } = await store.read();
    expect(tokens).toMatchObject([{ instanceId, realm: 'self-managed' }]);
    expect(tokens[0]?.scopes).toContain('ask_epic');
    expect(Object.keys(catalog ?? {})).toContain('unit_primitives');
    expect(availableServices.map(({ name }) => name)).toContain('duo_chat');
  });

  it('checks hourly, and asks for another token once less than two days are left', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { client, store } = clientOf(licenseKey);
    const outcomes: string[] = [];
    for (let hour = 0; hour <= 50; hour += 1) {
      outcomes.push((await client.checkToken()).outcome);
      clock.advance(HOUR);
    }
    const syncedAt = outcomes.flatMap((outcome, hour) => (outcome === 'stored' ? [hour] : []));
    expect(syncedAt).toEqual([0, 25, 50]);
    const [newest, middle] = await tokensIn(store);
    clock.set('2026-03-13T12:00:00Z');
    await client.sync();
    expect((await tokensIn(store)).slice(1)).toEqual([newest, middle]);
  });

  it.each([
    ['its hourly pause', 1],
    ['the pause that a Retry-After of two hours asked for', 7_200],
  ])('syncs within a minute after the machine slept for days during %s', async (_what, asked) => {
    const { licenseKey } = await registerPaidLicense(issuer);
    let firstAnswer = asked > 1;
    let [awakeFor, naps] = [0, 0];
    const { client, store } = clientOf(licenseKey, {
      fetch: (url, init) => {
        if (!firstAnswer) return fetch(url, init);
        firstAnswer = false;
        const headers = { 'retry-after': String(asked), 'content-type': 'application/json' };
        return Promise.resolve(new Response('{}', { status: 503, headers }));
      },
      // A timer stands still while the machine sleeps, as it does early in the third one.
      wait: waitByClock(clock, async (milliseconds, signal) => {
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        naps += 1;
        if (naps === 3) clock.advance(5 * 24 * HOUR);
        if (naps >= 3) awakeFor += milliseconds;
        clock.advance(milliseconds);
      }),
    });
    const before = clock.now().getTime();
    client.start();
    const newest = async () => (await tokensIn(store))[0]?.receivedAt ?? 0;
    while ((await newest()) * 1000 < before + 5 * 24 * HOUR) {
      expect(awakeFor).toBeLessThanOrEqual(60_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.stop();
    expect(awakeFor).toBeLessThanOrEqual(60_000);
  });

  it('makes one request for calls at the same time', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { client, store } = clientOf(licenseKey);
    await Promise.all([client.sync(), client.sync(), client.checkToken()]);
    expect(await tokensIn(store)).toHaveLength(1);
  });

  it('keeps its tokens when it is denied, does not retry, and says why', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const { client, store, log } = clientOf(licenseKey);
    await client.sync();
    await issuer.admin('POST', `licenses/${id}/revoke`, { reason: 'unpaid' });
    expect(await client.sync()).toMatchObject({ outcome: 'denied', code: 'LICENSE_REVOKED' });
    expect(await tokensIn(store)).toHaveLength(1);
    expect(log.map(({ event }) => event)).not.toContain('request_retried');
    expect((await client.headers())['Authorization']).toMatch(/^Bearer ey/);
  });

  it('removes its tokens on the deliberate null, and has one again when that is lifted', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const { client, store } = clientOf(licenseKey);
    await client.sync();
    clock.advance(HOUR);
    await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`);
    expect(await client.checkToken()).toMatchObject({ outcome: 'not_due' });
    expect(await client.sync()).toEqual({ outcome: 'revoked' });
    expect(await tokensIn(store)).toEqual([]);
    await expect(client.headers()).rejects.toMatchObject({ code: 'NO_TOKEN' });
    expect(await client.checkToken()).toEqual({ outcome: 'revoked' });
    await issuer.admin('POST', `licenses/${id}/service_tokens/restore`);
    expect(await client.checkToken()).toMatchObject({ outcome: 'stored' });
  });

  it('survives an outage that is shorter than its token lives, trying every hour', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const away = { url: 'http://127.0.0.1:1', instanceId: randomUUID(), store: memoryStore() };
    const { client } = clientOf(licenseKey, { store: away.store, instanceId: away.instanceId });
    await client.sync();
    const { client: offline, log } = clientOf(licenseKey, away);
    clock.set('2026-03-13T11:00:00Z');
    expect(await offline.checkToken()).toMatchObject({ outcome: 'failed' });
    expect(log.filter(({ event }) => event === 'request_retried')).toHaveLength(3);
    expect((await offline.headers())['Authorization']).toMatch(/^Bearer ey/);
    clock.set('2026-03-13T12:00:00Z');
    await expect(offline.headers()).rejects.toMatchObject({ code: 'NO_TOKEN' });
    expect(await client.checkToken()).toMatchObject({ outcome: 'stored' });
    expect((await offline.headers())['Authorization']).toMatch(/^Bearer ey/);
  });

  it('knows what a user may do when purchases and seats change', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const purchases = [{ addOn: 'duo_enterprise', expiresOn: '2027-01-01' }];
    const { client } = clientOf(licenseKey, { purchases: () => purchases });
    const ada = { id: 7, addOnSeats: ['duo_enterprise'] };
    const reason = async (user: object) =>
      (await client.allowedToUse({ id: 8, ...user }, 'ask_epic')).reason;
    expect(await reason(ada)).toBe('CATALOG_NOT_SYNCED');
    await client.sync();
    expect(await reason(ada)).toBe('NOT_IN_TOKEN_SCOPES');
    await recordPurchase(issuer, id);
    await client.sync();
    expect(await reason(ada)).toBe('ALLOWED_ADD_ON');
    expect(await reason({})).toBe('NO_SEAT');
    purchases.pop();
    expect(await reason(ada)).toBe('NO_ACTIVE_PURCHASE');
  });

  it('logs neither the license key nor a token', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { client, store, log } = clientOf(licenseKey);
    await client.sync();
    const [token] = await tokensIn(store);
    const { client: denied, log: other } = clientOf('a-license-key-that-nobody-knows');
    await denied.sync();
    const text = JSON.stringify([log, other]);
    expect(text).toContain('LICENSE_NOT_FOUND');
    for (const secret of [licenseKey, 'nobody-knows', token?.token ?? '', 'eyJ']) {
      expect(text).not.toContain(secret);
    }
  });

  it('presents a token whose subject is the instance, byte for byte', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const instanceId = randomUUID().toUpperCase();
    const { client } = clientOf(licenseKey, { instanceId });
    await client.sync();
    const headers = await client.headers();
    expect(headers['X-Gitlab-Instance-Id']).toBe(instanceId);
    expect(decodeJwt(headers['Authorization']?.slice(7) ?? '').sub).toBe(instanceId);
  });
});

describe('an instance client with an activation code', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  function newClient(store = memoryStore(), instanceId: string = randomUUID()) {
    return createInstanceClient({
      url: issuer.url,
      instanceId,
      uniqueInstanceId: randomUUID(),
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.5.0-ee',
      store,
      clock,
    });
  }

  async function activationCode(licenseId: string): Promise<string> {
    const created = await issuer.admin('POST', `licenses/${licenseId}/activation_codes`, {});
    return ((await created.json()) as { readonly code: string }).code;
  }

  it('activates, reports its seats and syncs, and keeps everything after a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'client-activates-'));
    const [path, key] = [join(folder, 'store'), randomBytes(32)];
    const instanceId = randomUUID();
    const license = await registerLicense(issuer, { customer_ref: 'c-1' });
    await recordPurchase(issuer, license.id, { add_on: 'duo_pro' });
    const later = { customer_ref: 'c-1', starts_on: '2027-01-01', expires_on: '2028-01-01' };
    await registerLicense(issuer, later);

    const client = newClient(fileStore({ path, key }), instanceId);
    const code = await activationCode(license.id);
    const activation = await client.activate({ activationCode: code });
    expect(activation.licenseKey).toBe(license.licenseKey);
    expect(activation.futureSubscriptions).toMatchObject([{ startsAt: '2027-01-01' }]);

    const seatLink = await client.sendSeatLink({
      maxHistoricalUserCount: 12,
      billableUsersCount: 10,
      addOnMetrics: [{ addOnType: 'duo_pro', purchasedSeats: 50, assignedSeats: 4 }],
    });
    expect(seatLink.licenseKey).toBe(license.licenseKey);
    expect(seatLink.futureSubscriptions).toHaveLength(1);
    expect(await client.sync()).toMatchObject({ outcome: 'stored' });

    const restarted = newClient(fileStore({ path, key }), instanceId);
    expect(await restarted.checkToken()).toMatchObject({ outcome: 'not_due' });
    clock.advance(2 * 86_400_000);
    expect(await restarted.checkToken()).toMatchObject({ outcome: 'stored' });
    await rm(folder, { recursive: true });
  });

  it('may send the same activation again, as after a lost answer; another instance may not', async () => {
    const license = await registerPaidLicense(issuer);
    const code = await activationCode(license.id);
    const instanceId = randomUUID();
    await newClient(memoryStore(), instanceId).activate({ activationCode: code });
    const again = await newClient(memoryStore(), instanceId).activate({ activationCode: code });
    expect(again.licenseKey).toBe(license.licenseKey);
    const refused = newClient().activate({ activationCode: code });
    await expect(refused).rejects.toMatchObject({ code: 'ACTIVATION_REFUSED' });
    const details = await refused.catch((error: unknown) => String(error));
    expect(details).not.toContain(code);
  });

  it('is refused with the message of the issuer for an unknown code', async () => {
    const refused = newClient().activate({ activationCode: 'nobody-made-this-code' });
    await expect(refused).rejects.toMatchObject({
      code: 'ACTIVATION_REFUSED',
      details: [expect.stringContaining('code')],
    });
  });
});
