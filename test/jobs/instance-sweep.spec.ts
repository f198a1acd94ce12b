import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '../../src/database/database.js';
import { InstanceSweepsRepository } from '../../src/instance-health/instance-sweeps.repository.js';
import { SweepInstances } from '../../src/instance-health/sweep-instances.js';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { select } from '../contract/ledger.js';
import { recordNamespacePurchase, recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import {
  followChanges,
  listInstances,
  metric,
  stopJobs,
  sweep,
  syncedInstance,
  THREE_SCOPES,
} from '../support/instance-health.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const NOON = '2026-03-10T12:00:00.000Z';
const EXPIRES = '2026-03-13T12:00:00.000Z';
const TOO_BROAD = 'issuer_instances_excess_scopes';
const OVERDUE = 'issuer_instances_sync_overdue';
const left = (time: string) => `issuer_instances_by_time_left{left="${time}"}`;

describe('the sweep of instances', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;

  beforeEach(async () => {
    clock.set(NOON);
    const environment = { CATALOG_DIR: catalogFolder(THREE_SCOPES) };
    issuer = await startTestIssuer({ clock, environment });
    stopJobs(issuer);
  });
  afterEach(async () => {
    await issuer.stop();
    removeCatalogFolders();
  });

  const synced = (expires_on?: string) => syncedInstance(issuer, expires_on);
  const stored = () =>
    select(
      issuer,
      'SELECT excess_scopes, excess_scopes_until FROM instances ORDER BY excess_scopes_until',
    );

  it('counts the instances whose purchase is over, until the last such token expires', async () => {
    const { instance } = await synced('2026-03-11');
    await synced();
    await sweep(issuer);
    expect(await metric(issuer, TOO_BROAD)).toBe(0);

    clock.set('2026-03-11T13:00:00.000Z');
    await sweep(issuer);
    expect(await metric(issuer, TOO_BROAD)).toBe(1);
    expect(await stored()).toEqual([
      { excess_scopes: ['ask_epic'], excess_scopes_until: new Date(EXPIRES) },
      { excess_scopes: null, excess_scopes_until: null },
    ]);

    await instance.serviceToken();
    await sweep(issuer);
    expect(await metric(issuer, TOO_BROAD)).toBe(1);
    clock.set('2026-03-13T11:59:59.999Z');
    expect(await metric(issuer, TOO_BROAD)).toBe(1);
    clock.set(EXPIRES);
    expect(await metric(issuer, TOO_BROAD)).toBe(0);
    await sweep(issuer);
    expect(await stored()).toEqual(
      Array(2).fill({ excess_scopes: null, excess_scopes_until: null }),
    );
  });

  it('tells how many instances share a license, and of more than a hundred which license it is', async () => {
    const { license } = await synced();
    await synced();
    const addInstances = (count: number, seenAt: string) =>
      select(
        issuer,
        `INSERT INTO instances (id, license_id, instance_uuid, created_at, last_seen_at)
         SELECT gen_random_uuid(), $1, gen_random_uuid(), $2, $2 FROM generate_series(1, ${count})`,
        [license.id, seenAt],
      );
    const many = { licenseId: license.id, msg: 'many instances share a license' };
    const counts: unknown[] = [];
    for (const [count, seenAt] of [
      [99, NOON],
      [500, '2026-02-08T12:00:00.000Z'],
      [1, NOON],
      [100, NOON],
      [1, NOON],
    ] as const) {
      await addInstances(count, seenAt);
      clock.advance(60_000);
      const shared = await metric(issuer, 'issuer_license_instances_max');
      const lines = issuer.logs.map((line) => JSON.parse(line) as Record<string, unknown>);
      const told = lines.filter(({ msg }) => msg === many.msg);
      expect(told).toEqual(told.map(() => expect.objectContaining(many) as unknown));
      counts.push([shared, ...told.map(({ instances }) => instances)]);
    }
    expect(counts).toEqual([[100], [100], [101, 101], [201, 101], [202, 101, 202]]);
  });

  it('lets instances be listed by whether a token says too much', async () => {
    const { license } = await synced('2026-03-11');
    const other = await synced();
    clock.set('2026-03-11T00:00:00.000Z');
    await sweep(issuer);
    const ofLicenses = async (query: string) =>
      (await listInstances(issuer, query)).map(({ license_id }) => license_id).sort();
    expect(await ofLicenses('excess_scopes=true')).toEqual([license.id]);
    expect(await ofLicenses('excess_scopes=false')).toEqual([other.license.id]);
    clock.set('2026-03-14T00:00:00.000Z');
    expect(await ofLicenses('excess_scopes=true')).toEqual([]);
    expect(await ofLicenses('excess_scopes=false')).toEqual([license.id, other.license.id].sort());
    const refused = await issuer.admin('GET', 'instances?excess_scopes=yes');
    expect(refused.status).toBe(422);
  });

  it('counts instances by the time until they lose service, and those that stay silent', async () => {
    const [silent, revoked] = [await synced(), await synced()];
    const { licenseKey } = await registerLicense(issuer, { expires_on: '2026-02-27' });
    const ending = { licenseKey, instanceId: randomUUID() };
    await new GitlabInstance(issuer.url, ending).serviceToken();
    await issuer.admin('POST', `licenses/${revoked.license.id}/revoke`);
    await select(
      issuer,
      `INSERT INTO instances (id, license_id, instance_uuid, created_at, last_seen_at)
       VALUES (gen_random_uuid(), $1, 'never synced', now(), now())`,
      [silent.license.id],
    );

    await sweep(issuer);
    expect(await metric(issuer, left('none'))).toBe(1);
    expect(await metric(issuer, left('more'))).toBe(3);
    clock.set('2026-03-11T14:00:00.000Z');
    await sweep(issuer);
    expect(await metric(issuer, OVERDUE)).toBe(2);
    expect(await metric(issuer, left('48h'))).toBe(3);
    clock.set('2026-03-13T11:00:00.000Z');
    await sweep(issuer);
    expect(await metric(issuer, left('1h'))).toBe(2);
    expect(await metric(issuer, left('expired'))).toBe(1);
    clock.set('2026-03-30T00:00:00.000Z');
    await sweep(issuer);
    expect(await metric(issuer, left('expired'))).toBe(3);
    expect(await metric(issuer, OVERDUE)).toBe(0);
    expect(await metric(issuer, 'issuer_instance_sweep_last_success_timestamp_seconds')).toBe(
      Date.parse('2026-03-30T00:00:00Z') / 1000,
    );
  });

  it('sees right after a restart what another catalog no longer grants', async () => {
    await synced();
    await sweep(issuer);
    clock.advance(1000);
    const files = { ...THREE_SCOPES, 'unit_primitives/free_tool.yml': null };
    const environment = { CATALOG_DIR: catalogFolder(files) };
    const restarted = await startTestIssuer({ clock, environment, sharing: issuer });
    stopJobs(restarted);
    try {
      const [instance] = await listInstances(restarted);
      expect(instance).toMatchObject({ token: { excess_scopes: ['free_tool'] } });
      expect(await restarted.running.app.get(SweepInstances).sweepIfDue()).toBe(true);
      expect(await metric(restarted, TOO_BROAD)).toBe(1);
      expect(restarted.logs.join('')).toContain('"instances":1,"before":0');
    } finally {
      await restarted.stop();
    }
  });

  it('follows a change of a license or a purchase by itself, and looks at no other', async () => {
    const [changed] = [await synced(), await synced()];
    await followChanges(issuer);
    expect(await followChanges(issuer)).toBe(0);

    await issuer.admin('PATCH', `licenses/${changed.license.id}`, { plan: 'premium' });
    expect(await followChanges(issuer)).toBe(1);
    expect(await metric(issuer, TOO_BROAD)).toBe(1);
    await issuer.admin('PATCH', `licenses/${changed.license.id}`, { plan: 'ultimate' });
    expect(await followChanges(issuer)).toBe(1);
    expect(await metric(issuer, TOO_BROAD)).toBe(0);

    const path = `licenses/${changed.license.id}/add_on_purchases`;
    const { items } = (await (await issuer.admin('GET', path)).json()) as {
      items: { id: string }[];
    };
    await issuer.admin('DELETE', `add_on_purchases/${items[0]?.id ?? ''}`);
    expect(await followChanges(issuer)).toBe(1);
    expect(await metric(issuer, TOO_BROAD)).toBe(1);
  });

  it('passes over what is bought for a namespace, and goes on after it', async () => {
    const license = await registerLicense(issuer);
    const sweeps = issuer.running.app.get(InstanceSweepsRepository);
    const { manager } = issuer.running.app.get(Database);
    const before = await sweeps.lastChanges(manager);
    await recordNamespacePurchase(issuer, '9');
    const { licenseIds, ...cursor } = await sweeps.changesSince(manager, before, 1);
    expect(licenseIds).toEqual([]);
    await recordPurchase(issuer, license.id, { add_on: 'duo_pro' });
    const next = await sweeps.changesSince(manager, cursor, 1);
    expect(next.licenseIds).toEqual([license.id]);
  });

  it('follows a revocation of tokens, and its end', async () => {
    const { license } = await synced();
    await synced();
    await followChanges(issuer);
    const [instance] = await listInstances(issuer, `license_id=${license.id}`);
    for (const owner of [`licenses/${license.id}`, `instances/${instance?.id ?? ''}`]) {
      await issuer.admin('POST', `${owner}/service_tokens/revoke`);
      expect(await followChanges(issuer)).toBe(1);
      expect(await metric(issuer, TOO_BROAD)).toBe(1);
      expect(await followChanges(issuer)).toBe(0);
      await issuer.admin('POST', `${owner}/service_tokens/restore`);
      expect(await followChanges(issuer)).toBe(1);
      expect(await metric(issuer, TOO_BROAD)).toBe(0);
    }
  });
});

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
      `INSERT INTO instances (id, license_id, instance_uuid, created_at, last_seen_at)
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
