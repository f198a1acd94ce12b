import { InstanceSightings } from '../../src/instances/instance-sightings.js';
import type { AdmittedRequest } from '../../src/instances/sighting-counts.js';
import { select } from '../contract/ledger.js';
import { whileItDrains } from '../support/draining.js';
import { FakeClock } from '../support/fake-clock.js';
import { instanceOf, stopJobs, syncedInstance } from '../support/instance-health.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY = 86_400_000;

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

  it('of several replicas at once are added up, and written once', async () => {
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
