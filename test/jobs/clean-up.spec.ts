import { ReleaseAbandonedSeats } from '../../src/add-on-purchases/release-abandoned-seats.js';
import { InstanceSightings } from '../../src/instances/instance-sightings.js';
import type { AdmittedRequest } from '../../src/instances/sighting-counts.js';
import { DropOldLicenseKeys } from '../../src/licenses/drop-old-license-keys.js';
import { select } from '../contract/ledger.js';
import { assignSeats, recordNamespacePurchase, registerLicense } from '../support/builders.js';
import { whileItDrains } from '../support/draining.js';
import { FakeClock } from '../support/fake-clock.js';
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

describe('old license keys', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  const forget = () => issuer.running.app.get(DropOldLicenseKeys).run();
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
    const { instance_id: instanceId } = await instanceOf(issuer, license.id);
    const where = { address: '127.0.0.1', hostName: null, byOldKey: false, at: clock.now() };
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
