import {
  createInstanceClient,
  memoryStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import type { InstanceClientOptions } from '../../packages/cloud-connector-instance/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.js';

const INSTANCE = 'e2f5d0a4-1b7c-4c3e-9a60-0a1b2c3d4e5f';
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

describe('an instance client', () => {
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

  it('tells why a seat link was refused, and goes on with the key that it has', async () => {
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
