import { setTimeout as sleep } from 'node:timers/promises';
import { SweepInstances } from '../../src/instance-health/sweep-instances.js';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { select } from '../contract/ledger.js';
import { registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  metric,
  stopJobs,
  sweep,
  syncedInstance,
  THREE_SCOPES,
} from '../support/instance-health.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const left = (time: string) => `issuer_instances_by_time_left{left="${time}"}`;

describe('the turn to sweep', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;

  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00.000Z');
    const environment = { CATALOG_DIR: catalogFolder(THREE_SCOPES) };
    issuer = await startTestIssuer({ clock, environment });
    stopJobs(issuer);
  });
  afterEach(async () => {
    await issuer.stop();
    removeCatalogFolders();
  });

  const synced = (expires_on?: string) => syncedInstance(issuer, expires_on);

  it('is done once by two replicas that start it at the same moment', async () => {
    await synced();
    const other = await startTestIssuer({
      clock,
      sharing: issuer,
      environment: { CATALOG_DIR: issuer.running.config.catalogDir ?? '' },
    });
    stopJobs(other);
    try {
      const swept = await Promise.all(
        [issuer, other, issuer, other].map((replica) =>
          replica.running.app.get(SweepInstances).sweepIfDue(),
        ),
      );
      expect(swept.filter(Boolean)).toHaveLength(1);
      // What one of them found, both show.
      expect(await metric(other, left('more'))).toBe(1);
      expect(await metric(issuer, left('more'))).toBe(1);
    } finally {
      await other.stop();
    }
  });

  it('is due every five minutes, on a new day, and when the clock was set back', async () => {
    const ifDue = () => issuer.running.app.get(SweepInstances).sweepIfDue();
    await sweep(issuer);
    expect(await ifDue()).toBe(false);
    clock.set('2026-03-10T12:04:59.999Z');
    expect(await ifDue()).toBe(false);
    clock.set('2026-03-10T12:05:00.000Z');
    expect(await ifDue()).toBe(true);
    clock.set('2026-03-10T12:00:00.000Z');
    expect(await ifDue()).toBe(true);
    clock.set('2026-03-10T23:59:59.999Z');
    expect(await ifDue()).toBe(true);
    clock.set('2026-03-11T00:00:00.000Z');
    expect(await ifDue()).toBe(true);
    expect(await ifDue()).toBe(false);
  });

  it('is taken over from a replica that died at it', async () => {
    const dead = `UPDATE instance_sweeps SET claimed_by = gen_random_uuid(), claimed_until = `;
    await select(issuer, `${dead} clock_timestamp() + interval '20 seconds'`);
    expect(await sweep(issuer)).toBe(false);
    await select(issuer, `${dead} clock_timestamp()`);
    expect(await sweep(issuer)).toBe(true);
  });

  it('stops with its replica between two pages, and leaves the turn to another one', async () => {
    const license = await registerLicense(issuer);
    await select(
      issuer,
      `INSERT INTO instances (id, license_id, instance_id, created_at, last_seen_at)
       SELECT gen_random_uuid(), $1, n::text, now(), now() FROM generate_series(1, 1001) n`,
      [license.id],
    );
    const environment = { CATALOG_DIR: issuer.running.config.catalogDir ?? '' };
    const other = await startTestIssuer({
      clock,
      environment,
      sharing: issuer,
      lingerMs: 3000,
    });
    stopJobs(other);
    // A stop closes the database once it has lingered: the page that waits is not to be cut off.
    const held = select(
      issuer,
      `DO $$ BEGIN
         LOCK TABLE instances;
         PERFORM pg_sleep(2);
       END $$`,
    );
    await sleep(200);
    const swept = sweep(other);
    await other.stop();
    await held;
    expect(other.logs.join('')).not.toContain('"level":"error"');
    expect(await swept).toBe(false);
    expect(await sweep(issuer)).toBe(true);
    expect(await metric(issuer, left('none'))).toBe(1001);
  });

  it('gets through while a sync holds the rows of several instances', async () => {
    await synced('2026-03-11');
    await synced('2026-03-11');
    clock.set('2026-03-11T00:00:00.000Z');
    await Promise.all([
      select(
        issuer,
        `DO $$ BEGIN
           PERFORM FROM instances ORDER BY id DESC FOR UPDATE;
           PERFORM pg_sleep(0.2);
         END $$`,
      ),
      sweep(issuer),
    ]);
    expect(await metric(issuer, 'issuer_instances_excess_scopes')).toBe(2);
  });
});
