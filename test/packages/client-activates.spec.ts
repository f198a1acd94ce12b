import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createInstanceClient,
  fileStore,
  memoryStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { recordPurchase, registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

describe('an instance client with an activation code', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

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

  it('activates, reports its seats and syncs, and after a restart all is still there', async () => {
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

  it('is refused with the sentence of the issuer for a code that nobody made', async () => {
    const refused = newClient().activate({ activationCode: 'nobody-made-this-code' });
    await expect(refused).rejects.toMatchObject({
      code: 'ACTIVATION_REFUSED',
      details: [expect.stringContaining('code')],
    });
  });
});
