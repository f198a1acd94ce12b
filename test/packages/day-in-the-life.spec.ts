import { randomUUID } from 'node:crypto';
import { createBackend } from '../../examples/backend/src/backend.js';
import {
  createInstanceClient,
  memoryStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { makeActivationCode, recordPurchase, registerLicense } from '../support/builders.js';
import { type CuttableLink, startCuttableLink } from '../support/cuttable-link.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const HOUR_MS = 3_600_000;
const SEATS = { billableUsersCount: 12, maxHistoricalUserCount: 12 };
const CHAT = '/v1/chat';
/** Duo Enterprise carries it, Duo Core does not. */
const SUMMARIES = '/v1/summaries';

describe('a day in the life of an instance and a backend', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  const instanceId = randomUUID();
  let network: CuttableLink;
  let issuer: TestIssuer;
  let backend: ReturnType<typeof createBackend>;
  let client: ReturnType<typeof createInstanceClient>;
  let licenseId: string;

  beforeAll(async () => {
    network = await startCuttableLink();
    issuer = await startTestIssuer({ clock, environment: { ISSUER_URL: network.url } });
    network.leadTo(Number(new URL(issuer.url).port));
    backend = createBackend({
      issuers: [network.url],
      audience: 'gitlab-ai-gateway',
      clock: () => clock.now(),
    });
    await backend.ready();
    client = createInstanceClient({
      url: network.url,
      instanceId,
      uniqueInstanceId: randomUUID(),
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.6.0-ee',
      store: memoryStore(),
      clock,
      wait: () => Promise.resolve(),
    });
    ({ id: licenseId } = await registerLicense(issuer));
  });
  afterAll(async () => {
    await backend.close();
    await issuer.stop();
    await network.close();
  });

  async function ask(url: string, headers?: Readonly<Record<string, string>>): Promise<number> {
    const attached = headers ?? (await client.headers({ userId: 7, unitPrimitive: 'duo_chat' }));
    const response = await backend.inject({ method: 'POST', url, headers: { ...attached } });
    return response.statusCode;
  }
  async function hours(count: number): Promise<(readonly [number, number])[]> {
    const met: (readonly [number, number])[] = [];
    for (let hour = 0; hour < count; hour += 1) {
      clock.advance(HOUR_MS);
      await client.checkToken();
      met.push([await ask(CHAT), await ask(SUMMARIES)]);
    }
    return met;
  }
  const always = (chat: number, summaries: number, count: number) =>
    Array.from({ length: count }, () => [chat, summaries]);

  it('begins with an activation, which brings the license and no token yet', async () => {
    await expect(client.headers({ userId: 7 })).rejects.toMatchObject({ code: 'NO_TOKEN' });
    expect(await ask(CHAT, {})).toBe(401);
    const { code } = await makeActivationCode(issuer, licenseId);
    await client.activate({ activationCode: code });
    await client.sendSeatLink(SEATS);
  });

  it('is refused what was not bought, and accepted after the purchase and the next sync', async () => {
    // Free primitives are for other backends: the token does not name this one.
    expect(await client.sync()).toMatchObject({ outcome: 'stored' });
    expect([await ask(CHAT), await ask(SUMMARIES)]).toEqual([401, 401]);
    await recordPurchase(issuer, licenseId, { add_on: 'duo_core' });
    expect([await ask(CHAT), await ask(SUMMARIES)]).toEqual([401, 401]);
    await client.sync();
    expect([await ask(CHAT), await ask(SUMMARIES)]).toEqual([200, 403]);
  });

  it('renews its token by itself for three days, although the issuer is away for one of them', async () => {
    const tokens = new Set<string | undefined>();
    const token = async () => tokens.add((await client.headers({ userId: 7 })).Authorization);
    await token();
    expect(await hours(23)).toEqual(always(200, 403, 23));
    await token();
    network.cut();
    expect(await hours(24)).toEqual(always(200, 403, 24));
    await token();
    expect(tokens.size).toBe(1);
    network.mend();
    expect(await hours(25)).toEqual(always(200, 403, 25));
    await token();
    expect(tokens.size).toBe(2);
  });

  it('gets more with an upgrade and less after a downgrade, from the next sync on', async () => {
    const { id } = await recordPurchase(issuer, licenseId, { add_on: 'duo_enterprise' });
    expect(await ask(SUMMARIES)).toBe(403);
    await client.sync();
    expect([await ask(CHAT), await ask(SUMMARIES)]).toEqual([200, 200]);
    const upgraded = await client.headers({ userId: 7 });
    await issuer.admin('DELETE', `add_on_purchases/${id}`);
    expect(await ask(SUMMARIES)).toBe(200);
    clock.advance(1000);
    await client.sync();
    expect([await ask(CHAT), await ask(SUMMARIES)]).toEqual([200, 403]);
    // An issued token stays good until it expires. The issuer shows that it grants too much.
    expect(await ask(SUMMARIES, upgraded)).toBe(200);
  });

  it('keeps what it has when the license is revoked, until that expires', async () => {
    await issuer.admin('POST', `licenses/${licenseId}/revoke`);
    expect(await client.sync()).toMatchObject({ outcome: 'denied' });
    await expect(client.sendSeatLink(SEATS)).rejects.toMatchObject({
      code: 'SEAT_LINK_REFUSED',
    });
    expect(await ask(CHAT)).toBe(200);
    const last = await client.headers({ userId: 7 });
    clock.advance(72 * HOUR_MS);
    expect(await ask(CHAT, last)).toBe(401);
  });

  it('deletes its tokens only when they are revoked', async () => {
    await issuer.admin('POST', `licenses/${licenseId}/reinstate`);
    await client.sync();
    expect(await ask(CHAT)).toBe(200);
    await issuer.admin('POST', `licenses/${licenseId}/service_tokens/revoke`);
    expect(await ask(CHAT)).toBe(200);
    expect(await client.sync()).toMatchObject({ outcome: 'revoked' });
    await expect(client.headers({ userId: 7 })).rejects.toMatchObject({ code: 'NO_TOKEN' });
  });
});
