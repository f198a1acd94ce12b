import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReleaseAbandonedSeats } from '../../src/add-on-purchases/release-abandoned-seats.js';
import { MissingNames } from '../../src/entitlements/missing-names.js';
import { InstanceSightings } from '../../src/instances/instance-sightings.js';
import type { AdmittedRequest } from '../../src/instances/sighting-counts.js';
import { DropPreviousLicenseKeys } from '../../src/licenses/drop-previous-license-keys.js';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { select } from '../contract/ledger.js';
import {
  assignSeats,
  recordNamespacePurchase,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { whileItDrains } from '../support/draining.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { instanceOf, stopJobs, syncedInstance } from '../support/instance-health.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY = 86_400_000;

describe('the seats of a purchase that is over', () => {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00Z'));
  let issuer: TestIssuer;
  let namespaces = 0;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { LEDGER_RETENTION_DAYS: '30' } });
  });
  beforeEach(() => {
    clock.set('2026-03-01T12:00:00Z');
  });
  afterAll(() => issuer.stop());

  const release = () => issuer.running.app.get(ReleaseAbandonedSeats).run();
  async function withSeats(about: Record<string, unknown>): Promise<string> {
    namespaces += 1;
    const { id } = await recordNamespacePurchase(issuer, `n${namespaces}`, about);
    await assignSeats(issuer, id, '7', '8');
    return id;
  }
  async function held(id: string): Promise<unknown> {
    const purchase = await issuer.admin('GET', `add_on_purchases/${id}`);
    return ((await purchase.json()) as { assigned_seats: number }).assigned_seats;
  }

  it('are released 14 days after its end, and not a millisecond before', async () => {
    const id = await withSeats({ expires_on: '2026-03-05' });
    clock.set('2026-03-18T23:59:59.999Z');
    expect(await release()).toBe(0);
    expect(await held(id)).toBe(2);
    clock.set('2026-03-19T00:00:00Z');
    expect(await release()).toBe(2);
    expect(await held(id)).toBe(0);
    expect(await release()).toBe(0);
  });

  it('are there again when it is prolonged in time', async () => {
    const id = await withSeats({ expires_on: '2026-03-05' });
    clock.set('2026-03-18T12:00:00Z');
    await issuer.admin('PATCH', `add_on_purchases/${id}`, { expires_on: '2026-04-05' });
    clock.set('2026-03-20T12:00:00Z');
    expect(await release()).toBe(0);
    expect(await held(id)).toBe(2);
  });

  it('are released at once when it was called off before its start', async () => {
    const id = await withSeats({ started_at: '2026-06-01' });
    await issuer.admin('DELETE', `add_on_purchases/${id}`);
    expect(await release()).toBe(2);
    expect(await held(id)).toBe(0);
  });

  it('are forgotten when no token of their time is in the ledger any more', async () => {
    const id = await withSeats({ started_at: '2026-06-01' });
    await issuer.admin('DELETE', `add_on_purchases/${id}`);
    await release();
    const rows = async () => {
      await release();
      const sql = 'SELECT 1 FROM seat_assignments WHERE add_on_purchase_id = $1';
      return (await select(issuer, sql, [id])).length;
    };
    clock.set('2026-04-08T12:00:00Z');
    expect(await rows()).toBe(2);
    clock.set('2026-04-08T12:00:00.001Z');
    expect(await rows()).toBe(0);
  });

  it('are released once each by many replicas at the same time', async () => {
    await withSeats({ expires_on: '2026-03-05' });
    clock.set('2026-03-19T00:00:00Z');
    const released = await Promise.all([release(), release(), release()]);
    expect(released.reduce((sum, one) => sum + one, 0)).toBe(2);
  });
});

describe('previous license keys', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  const forget = () => issuer.running.app.get(DropPreviousLicenseKeys).run();
  const kept = async () => (await select(issuer, 'SELECT FROM replaced_license_keys')).length;

  it('are dropped once their grace is over, and not before; twice does nothing', async () => {
    const { id } = await registerLicense(issuer);
    await issuer.admin('POST', `licenses/${id}/replace_key`, { grace_seconds: 60 });
    clock.advance(59_999);
    await forget();
    expect(await kept()).toBe(1);
    clock.advance(1);
    await Promise.all([forget(), forget()]);
    expect(await kept()).toBe(0);
  });
});

describe('records whose add-on or plan is not in the catalog any more', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let restarted: TestIssuer;
  let holder: { readonly licenseKey: string; readonly instanceId: string };

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    const { id, licenseKey } = await registerLicense(issuer, { plan: 'premium' });
    holder = { licenseKey, instanceId: randomUUID() };
    await recordPurchase(issuer, id, { add_on: 'duo_core' });
    await recordPurchase(issuer, id, { add_on: 'code_suggestions' });
    const second = await registerLicense(issuer);
    await recordPurchase(issuer, second.id, { add_on: 'duo_core', started_at: '2026-06-01' });
    await recordPurchase(issuer, second.id, { add_on: 'gitlab_credits', expires_on: '2026-03-10' });
    await recordNamespacePurchase(issuer, '9', { add_on: 'duo_enterprise', plan: 'premium' });
    const revoked = await registerLicense(issuer, { plan: 'premium' });
    await issuer.admin('POST', `licenses/${revoked.id}/revoke`, { reason: 'unpaid' });
    await registerLicense(issuer, { plan: 'premium', expires_on: '2026-02-24' });
    // It has duo_pro and ultimate, and no services/ at all.
    const CATALOG_DIR = catalogFolder();
    await rm(join(CATALOG_DIR, 'services'), { recursive: true });
    restarted = await startTestIssuer({ clock, sharing: issuer, environment: { CATALOG_DIR } });
    stopJobs(restarted);
  });
  afterAll(async () => {
    await restarted.stop();
    await issuer.stop();
    removeCatalogFolders();
  });

  const MISSING = [
    { records: 'add_on_purchases', name: 'duo_core', count: 2 },
    { records: 'add_on_purchases', name: 'duo_enterprise', count: 1 },
    { records: 'licenses', name: 'premium', count: 1 },
    { records: 'namespaces', name: 'premium', count: 1 },
  ];
  const readiness = async (of: TestIssuer) => (await fetch(`${of.url}/-/readiness`)).json();
  const metrics = async () => {
    const text = await (await fetch(`${restarted.url}/-/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith('issuer_records_missing'));
  };
  const warnings = () => restarted.logs.filter((line) => line.includes('not in the catalog'));

  it('are reported with their counts after a start: readiness, metric and log', async () => {
    while ((await metrics()).length === 0) await sleep(20);
    expect(await readiness(restarted)).toMatchObject({
      status: 'ready',
      checks: { catalog: 'incomplete' },
      missing_from_catalog: MISSING,
    });
    expect(await metrics()).toEqual(
      MISSING.map(
        ({ records, name, count }) =>
          `issuer_records_missing_from_catalog{records="${records}",name="${name}"} ${count}`,
      ),
    );
    expect(warnings()).toHaveLength(1);
    expect(JSON.parse(warnings()[0] ?? '')).toMatchObject({ level: 'warn', missing: MISSING });
  });

  it('do not keep an instance from its token, nor a missing services/ from its services', async () => {
    const old = new GitlabInstance(restarted.url, holder);
    const { data } = await old.sync(['serviceToken', 'availableServices']);
    expect(data?.serviceToken?.token).toEqual(expect.any(String));
    expect(data?.availableServices).toEqual([
      { name: 'ask_epic', serviceStartTime: null, bundledWith: ['duo_pro'] },
    ]);
  });

  it('are not reported by the replica that has the whole catalog', async () => {
    expect(await readiness(issuer)).toMatchObject({
      checks: { catalog: 'complete' },
      missing_from_catalog: [],
    });
  });

  it('are reported again when they change, and once none is left', async () => {
    const look = () => restarted.running.app.get(MissingNames).refresh();
    await look();
    expect(warnings()).toHaveLength(1);
    clock.set('2027-01-01T00:00:00Z');
    await look();
    expect(await readiness(restarted)).toMatchObject({ missing_from_catalog: MISSING.slice(2) });
    await select(issuer, `UPDATE namespaces SET plan = 'ultimate', version = version + 1`);
    await select(issuer, `UPDATE licenses SET plan = 'ultimate', version = version + 1`);
    await look();
    expect(await readiness(restarted)).toMatchObject({
      checks: { catalog: 'complete' },
      missing_from_catalog: [],
    });
    expect(await metrics()).toEqual([]);
    expect(restarted.logs.join('')).toContain('is in the catalog again');
  });
});

describe('sightings of instances', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let other: TestIssuer;
  let request: AdmittedRequest;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    other = await startTestIssuer({ clock, sharing: issuer });
    [issuer, other].forEach(stopJobs);
    const { license } = await syncedInstance(issuer);
    const { instance_uuid: instanceId } = await instanceOf(issuer, license.id);
    const where = { address: '127.0.0.1', hostName: null, byPreviousKey: false, at: clock.now() };
    request = { licenseId: license.id, instanceId, ...where };
  });
  afterAll(async () => {
    await other.stop();
    await issuer.stop();
  });

  const of = (replica: TestIssuer) => replica.running.app.get(InstanceSightings);
  const kept = () =>
    select<{ requests: number }>(
      issuer,
      `SELECT (networks -> 0 ->> 'requests')::int AS requests FROM instance_sightings`,
    );

  it('of several replicas are added up, and written once', async () => {
    for (const replica of [issuer, other, issuer, other]) of(replica).note(request);
    await Promise.all([of(issuer).flush(), of(other).flush(), of(issuer).flush()]);
    // One is that of the sync itself.
    expect(await kept()).toEqual([{ requests: 5 }]);
    await of(issuer).flush();
    expect(await kept()).toEqual([{ requests: 5 }]);
  });

  it('are kept in memory while they cannot be written', async () => {
    await select(issuer, 'ALTER TABLE instance_sightings RENAME TO away');
    of(issuer).note(request);
    await expect(of(issuer).flush()).rejects.toThrow();
    await select(issuer, 'ALTER TABLE away RENAME TO instance_sightings');
    await of(issuer).flush();
    expect(await kept()).toEqual([{ requests: 6 }]);
  });

  it('are written by a replica that stops, up to its last answer', async () => {
    const third = await startTestIssuer({ clock, sharing: issuer });
    stopJobs(third);
    await whileItDrains(third, () => {
      of(third).note(request);
      // A write that is under way knows nothing of what comes after it has begun.
      void of(third).flush();
      of(third).note(request);
    });
    expect(await kept()).toEqual([{ requests: 8 }]);
  });

  it('are dropped 14 days after the last one, and not before', async () => {
    clock.advance(14 * DAY - 1);
    await of(issuer).forgetOld();
    expect(await kept()).toHaveLength(1);
    clock.advance(1);
    await Promise.all([of(issuer).forgetOld(), of(other).forgetOld()]);
    expect(await kept()).toEqual([]);
  });
});
