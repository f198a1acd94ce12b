import { randomUUID } from 'node:crypto';
import { InstanceMetrics } from '../../src/instance-health/instance-metrics.js';
import { registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import type { Identity } from '../support/gitlab-instance.js';
import { stopJobs } from '../support/instance-health.js';
import { listSeen, seenOf, syncFrom, writeSightings } from '../support/sightings.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const DAY = 86_400_000;
const START = '2026-03-10T12:00:00.000Z';

describe('the use of an instance', () => {
  const clock = new FakeClock(new Date(START));
  let issuer: TestIssuer;
  let license: { readonly id: string; readonly licenseKey: string };
  let instanceId: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { TRUSTED_PROXIES: '127.0.0.0/8' } });
    stopJobs(issuer);
  });
  beforeEach(async () => {
    clock.set(START);
    instanceId = randomUUID();
    license = await registerPaidLicense(issuer);
  });
  afterAll(() => issuer.stop());

  const shown = (one = license) => seenOf(issuer, one.id);
  const sync = (from: string, about: Partial<Identity> = {}) =>
    syncFrom(issuer, from, { licenseKey: license.licenseKey, instanceId, ...about });

  describe('from a new network and a known one in turns', () => {
    async function inTurns(...addresses: string[]): Promise<void> {
      for (const address of addresses) {
        clock.advance(3_600_000);
        await sync(address);
      }
    }
    const KNOWN = '192.0.2.1';
    const NEW = '203.0.113.1';

    it('is suspicious: told once in the log, and shown with the networks', async () => {
      await inTurns(KNOWN, NEW, KNOWN, NEW);
      const { id, suspicious } = await shown();
      expect(suspicious).toEqual([
        {
          reason: 'NEW_NETWORK',
          since: '2026-03-10T14:00:00.000Z',
          last_at: '2026-03-10T16:00:00.000Z',
          values: ['192.0.2.0/24', '203.0.113.0/24'],
        },
      ]);
      await inTurns(KNOWN, NEW);
      await writeSightings(issuer);
      const warned = issuer.logs.filter(
        (line) => line.includes(id) && line.includes('NEW_NETWORK'),
      );
      expect(warned).toHaveLength(1);
      expect(warned[0]).toContain('"level":"warn"');
      expect(warned[0]).not.toContain(license.licenseKey);
    });

    it('is found across looks, each of which saw one of them', async () => {
      for (const address of [KNOWN, NEW, KNOWN, NEW]) {
        await inTurns(address);
        await writeSightings(issuer);
      }
      expect((await shown()).suspicious).toMatchObject([{ reason: 'NEW_NETWORK' }]);
    });

    it('is found by the filter, and counted by the metric', async () => {
      const quiet = await registerPaidLicense(issuer);
      await sync(KNOWN, { licenseKey: quiet.licenseKey, instanceId: randomUUID() });
      await inTurns(KNOWN, NEW, KNOWN, NEW);
      const { id } = await shown();
      const other = await shown(quiet);
      const ids = async (suspicious: boolean, of: { id: string }) =>
        (await listSeen(issuer, `suspicious=${suspicious}&license_id=${of.id}`)).map(
          (one) => one.id,
        );
      expect([await ids(true, license), await ids(false, license)]).toEqual([[id], []]);
      expect([await ids(true, quiet), await ids(false, quiet)]).toEqual([[], [other.id]]);
      expect((await listSeen(issuer, 'suspicious=true')).map((one) => one.id)).toContain(id);
      clock.advance(DAY);
      await issuer.running.app.get(InstanceMetrics).refresh();
      const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
      expect(metrics).toMatch(/issuer_instances_suspicious\{reason="NEW_NETWORK"\} [1-9]/);
      expect(metrics).toContain('issuer_instances_suspicious{reason="TWO_LICENSES"} 0');
      clock.advance(14 * DAY);
      expect(await ids(true, license)).toEqual([]);
      expect((await shown()).suspicious).toEqual([]);
    });

    it('is not suspicious after a move, nor with a fail-over and its end', async () => {
      await inTurns(KNOWN, KNOWN, NEW, NEW, NEW, KNOWN, KNOWN);
      expect((await shown()).suspicious).toEqual([]);
    });
  });

  it('is suspicious where its host name flips', async () => {
    for (const hostName of ['a.example.com', 'b.example.com', 'A.example.com']) {
      clock.advance(DAY);
      await sync('192.0.2.1', { hostName });
      await writeSightings(issuer);
    }
    expect((await shown()).suspicious).toMatchObject([
      { reason: 'HOST_NAME_FLIPS', values: ['a.example.com', 'b.example.com'] },
    ]);
  });

  it('is suspicious under two licenses, seen from both, once they are seen again', async () => {
    const second = await registerPaidLicense(issuer);
    await sync('192.0.2.1');
    clock.advance(DAY);
    await sync('192.0.2.1', { licenseKey: second.licenseKey });
    await sync('192.0.2.1');
    const values = [license.id, second.id];
    for (const one of [license, second]) {
      expect((await shown(one)).suspicious).toMatchObject([{ reason: 'TWO_LICENSES', values }]);
    }
  });

  it('is not suspicious when a license follows the one of the same customer', async () => {
    const customer_ref = randomUUID();
    const first = await registerLicense(issuer, { customer_ref });
    const next = await registerLicense(issuer, { customer_ref });
    await sync('192.0.2.1', { licenseKey: first.licenseKey });
    clock.advance(DAY);
    await sync('192.0.2.1', { licenseKey: next.licenseKey });
    for (const one of [first, next]) expect((await shown(one)).suspicious).toEqual([]);
  });
});
