import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createBackend } from '../../examples/backend/src/backend.js';
import { createInstance } from '../../examples/instance/src/instance.js';
import {
  type AddOnPurchase,
  createInstanceClient,
  type InstanceClient,
  memoryStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const ADA = { id: 7, addOnSeats: ['duo_pro', 'duo_enterprise'] };
const BOB = { id: 8 };

describe('the example instance, with the example backend and this issuer', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  const instanceId = randomUUID();
  const hello = { answer: 'Hello!', instance: instanceId };
  let issuer: TestIssuer;
  let backend: ReturnType<typeof createBackend>;
  let client: InstanceClient;
  let server: Server;
  let url: string;
  let licenseId: string;
  let bought: AddOnPurchase[];
  let askedOfBackend: number;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { TOKEN_STATUS_LIST: 'true' } });
    backend = createBackend({
      issuers: [issuer.url],
      audience: 'gitlab-ai-gateway',
      clock: () => clock.now(),
      statusList: true,
      whenStatusUnavailable: 'refuse',
    });
    backend.addHook('onRequest', (_request, _reply, done) => {
      askedOfBackend += 1;
      done();
    });
    const license = await registerLicense(issuer);
    licenseId = license.id;
    bought = [];
    client = createInstanceClient({
      url: issuer.url,
      instanceId,
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.6.0-ee',
      licenseKey: license.licenseKey,
      store: memoryStore(),
      purchases: () => bought,
      clock,
    });
    const backendUrl = await backend.listen({ port: 0, host: '127.0.0.1' });
    const users = new Map<string, { id: number }>([
      ['ada', ADA],
      ['bob', BOB],
    ]);
    server = createInstance({ client, backendUrl, users }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    askedOfBackend = 0;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await backend.close();
    await issuer.stop();
  });

  async function buy(addOn: string): Promise<void> {
    await recordPurchase(issuer, licenseId, { add_on: addOn });
    bought.push({ addOn, expiresOn: '2027-01-01' });
  }
  async function use(feature: string, user: string): Promise<unknown[]> {
    const headers = { 'x-example-user': user };
    const response = await fetch(`${url}/${feature}`, { method: 'POST', headers });
    return [response.status, await response.json()];
  }
  const refused = (reason: string): unknown[] => [403, expect.objectContaining({ reason })];

  it('refuses every feature before the first sync', async () => {
    expect((await use('chat', 'mallory'))[0]).toBe(401);
    expect(await use('chat', 'ada')).toEqual(refused('CATALOG_NOT_SYNCED'));
    expect(askedOfBackend).toBe(0);
  });

  it('lets a user with a seat use what was bought, and asks no backend for a user without', async () => {
    await buy('duo_pro');
    await client.sync();
    expect(await use('chat', 'ada')).toEqual([200, hello]);
    expect(await use('chat', 'bob')).toEqual(refused('NO_SEAT'));
    expect(askedOfBackend).toBe(1);
  });

  it('refuses a primitive that was not sold, until it is sold and the instance has synced', async () => {
    expect(await use('summaries', 'ada')).toEqual(refused('NO_ACTIVE_PURCHASE'));
    await buy('duo_enterprise');
    expect(await use('summaries', 'ada')).toEqual(refused('NOT_IN_TOKEN_SCOPES'));
    expect(askedOfBackend).toBe(0);
    await client.sync();
    expect((await use('summaries', 'ada'))[0]).toBe(200);
    expect(await use('amazon-q', 'ada')).toEqual(refused('NO_ACTIVE_PURCHASE'));
  });

  it('shows each user a list of the features that the user may use', async () => {
    const features = async (user: string): Promise<unknown> =>
      (await fetch(`${url}/features`, { headers: { 'x-example-user': user } })).json();
    expect(await features('ada')).toMatchObject([
      { feature: 'chat', allowed: true, reason: 'ALLOWED_ADD_ON' },
      { feature: 'summaries', allowed: true },
      { feature: 'amazon-q', allowed: false },
    ]);
    expect(await features('bob')).toMatchObject([
      { feature: 'chat', allowed: false, reason: 'NO_SEAT' },
      { feature: 'summaries', allowed: false },
      { feature: 'amazon-q', allowed: false },
    ]);
  });

  it('says that the backend refused the instance when its token was revoked, until the next sync', async () => {
    const { items } = (await (await issuer.admin('GET', 'service_tokens?live=true')).json()) as {
      items: { jti: string }[];
    };
    for (const { jti } of items) await issuer.admin('POST', `service_tokens/${jti}/revoke`);
    clock.advance(300_000);
    const said = { backend_status: 401, backend_answer: { error: 'Forbidden by auth provider' } };
    expect(await use('chat', 'ada')).toEqual([502, expect.objectContaining(said)]);
    await client.sync();
    expect(await use('chat', 'ada')).toEqual([200, hello]);
  });

  it('has no token while the tokens of the license are revoked, and gets one when they are restored', async () => {
    await issuer.admin('POST', `licenses/${licenseId}/service_tokens/revoke`);
    expect(await client.sync()).toMatchObject({ outcome: 'revoked' });
    expect(await use('chat', 'ada')).toEqual(refused('NO_TOKEN'));
    expect(askedOfBackend).toBe(0);
    await issuer.admin('POST', `licenses/${licenseId}/service_tokens/restore`);
    await client.sync();
    expect(await use('chat', 'ada')).toEqual([200, hello]);
  });

  it('says that the backend does not answer when it is away', async () => {
    await backend.close();
    const away = { error: 'the backend does not answer' };
    expect(await use('chat', 'ada')).toEqual([502, away]);
  });
});
