import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Database } from '../../src/database/database.js';
import { Replicas } from '../../src/signing-keys/replicas.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { DatabaseLink } from '../faults/database-link.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, keyIn, publishedKids, timeline } from './key-set.js';
import { killedReplica, metric, readiness, replicasOf } from './replica-rows.js';

const START = '2026-03-01T00:00:00.000Z';
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const LEAD = 95_040 * SECOND;

interface RevocationJson {
  readonly outcome: string;
  readonly still_published: boolean;
  readonly not_acknowledged_by: {
    readonly total: number;
    readonly replicas: readonly { readonly id: string }[];
    readonly operator_action: string | null;
  };
  readonly impact: { readonly trusted_until: string | null };
}

let clock: FakeClock;
let issuer: TestIssuer;
beforeEach(async () => {
  clock = new FakeClock(new Date(START));
  issuer = await startTestIssuer({ clock });
});
afterEach(() => issuer.stop());

const rotate = () => issuer.admin('POST', 'signing_keys/rotate');
const inHours = (hours: number) => new Date(clock.now().getTime() + hours * HOUR).toISOString();

async function revoke(kid: string): Promise<RevocationJson> {
  const response = await issuer.admin('POST', `signing_keys/${kid}/revoke`);
  expect(response.status).toBe(200);
  return (await response.json()) as RevocationJson;
}

describe('a replica that is cut off from the database', () => {
  let link: DatabaseLink;
  let cutOff: TestIssuer;
  beforeEach(async () => {
    link = await new DatabaseLink(issuer.database.url).open();
    const environment = { DATABASE_URL: link.url, DATABASE_TIMEOUT_MS: '1000' };
    cutOff = await startTestIssuer({ clock, sharing: issuer, environment });
  });
  afterEach(async () => {
    await cutOff.stop();
    link.close();
  });

  it('is named by a revocation for a day, or until it stops publishing the key; then the trust has an end', async () => {
    clock.advance(LEAD);
    await Promise.all([keepKeys(issuer), keepKeys(cutOff)]);
    const leaked = await keyIn(issuer, 'current');
    link.close();
    clock.advance(2 * 60 * SECOND);
    await keepKeys(issuer);

    const dryRun = await issuer.admin('POST', `signing_keys/${leaked.kid}/revoke`, {
      dry_run: true,
    });
    expect(await dryRun.json()).toMatchObject({
      still_published: false,
      not_acknowledged_by: { total: 1 },
      impact: { trusted_until: null },
    });
    const done = await revoke(leaked.kid);
    expect(done).toMatchObject({
      outcome: 'revoke',
      still_published: true,
      not_acknowledged_by: { total: 1 },
      impact: { trusted_until: null },
    });
    expect(done.not_acknowledged_by.operator_action).toContain('DELETE /api/v1/replicas');
    expect(await publishedKids(cutOff)).toContain(leaked.kid);
    expect(await publishedKids(issuer)).not.toContain(leaked.kid);

    clock.advance(23 * HOUR);
    await keepKeys(issuer);
    const [named] = done.not_acknowledged_by.replicas;
    const listed = (await replicasOf(issuer)).find(({ id }) => id === named?.id);
    expect(listed).toMatchObject({ alive: false, excess_keys: [leaked.kid] });
    expect(await revoke(leaked.kid)).toMatchObject({ outcome: 'nothing', still_published: true });
    const shown = async () => (await timeline(issuer)).find(({ kid }) => kid === leaked.kid);
    expect(await shown()).toMatchObject({ not_acknowledged_by: { total: 1 }, trusted_until: null });
    expect(await metric(issuer, 'issuer_replicas_publishing_revoked_keys')).toBe(1);

    await link.open();
    await keepKeys(cutOff);
    expect(await publishedKids(cutOff)).toEqual(await publishedKids(issuer));
    const trust = { not_acknowledged_by: { total: 0 }, trusted_until: inHours(24) };
    expect(await shown()).toMatchObject(trust);
    clock.advance(HOUR);
    expect(await revoke(leaked.kid)).toMatchObject({
      outcome: 'nothing',
      still_published: false,
      impact: { trusted_until: trust.trusted_until },
    });
  });

  it('that is removed, or silent for a day, counts as having published the key until then', async () => {
    clock.advance(LEAD);
    await Promise.all([keepKeys(issuer), keepKeys(cutOff)]);
    const [first, second] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    link.close();
    clock.advance(2 * 60 * SECOND);
    await keepKeys(issuer);
    await revoke(first.kid);
    clock.advance(HOUR);
    const dead = (await replicasOf(issuer)).find((one) => one.excess_keys.length > 0);
    await issuer.admin('DELETE', `replicas/${dead?.id ?? ''}`);
    const trusted = async (kid: string) =>
      (await timeline(issuer)).find((key) => key.kid === kid)?.trusted_until;
    expect(await trusted(first.kid)).toBe(inHours(24));

    await killedReplica(issuer, [second.kid], clock.now());
    await issuer.admin('POST', `signing_keys/${second.kid}/revoke`, { accept_outage: true });
    expect(await trusted(second.kid)).toBeNull();
    clock.advance(DAY + 1);
    await keepKeys(issuer);
    expect(await trusted(second.kid)).toBe(inHours(24));
  });

  it('delays the switch to a key that it publishes late, until its validators know the key', async () => {
    clock.advance(LEAD);
    await Promise.all([keepKeys(issuer), keepKeys(cutOff)]);
    link.close();
    expect((await rotate()).status).toBe(200);
    clock.advance(LEAD);
    await link.open();
    await keepKeys(cutOff);

    const allowedFrom = new Date(clock.now().getTime() + LEAD).toISOString();
    expect((await keyIn(issuer, 'next')).may_sign_from).toBe(allowedFrom);
    clock.advance(LEAD - 1);
    expect(await (await rotate()).json()).toMatchObject({
      code: 'ROTATION_TOO_EARLY',
      allowed_from: allowedFrom,
    });
    clock.advance(1);
    expect((await rotate()).status).toBe(200);
  });

  it('delays the switch to a key that it does not publish when it stops', async () => {
    clock.advance(LEAD);
    await Promise.all([keepKeys(issuer), keepKeys(cutOff)]);
    link.close();
    expect((await rotate()).status).toBe(200);
    clock.advance(23 * HOUR);
    await link.open();
    await cutOff.stop();

    expect(await replicasOf(issuer)).toHaveLength(1);
    const { may_sign_from: allowedFrom } = await keyIn(issuer, 'next');
    expect(allowedFrom).toBe(new Date(clock.now().getTime() + LEAD).toISOString());
    expect(await (await rotate()).json()).toMatchObject({ code: 'ROTATION_TOO_EARLY' });
  });

  it('records a change that begins while it records an earlier change', async () => {
    const replicas = issuer.running.app.get(Replicas);
    const { manager } = issuer.running.app.get(Database);
    const [current, next] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    const beginsLate = () => {
      clock.advance(HOUR);
      replicas.publish([current.kid]);
      replicas.publish([current.kid, next.kid]);
    };
    beginsLate();
    const session = new Client({ connectionString: issuer.database.url });
    await session.connect();
    await session.query('BEGIN; SELECT FROM signing_keys FOR UPDATE');
    const noted = replicas.acknowledge(manager, current.kid);
    const waiting = `SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    while ((await session.query(waiting)).rowCount === 0) await sleep(10);
    beginsLate();
    await session.end();
    await noted;
    await replicas.acknowledge(manager, current.kid);
    const allowedFrom = new Date(clock.now().getTime() + LEAD).toISOString();
    expect((await keyIn(issuer, 'next')).may_sign_from).toBe(allowedFrom);
  });

  it('reports keys that are unread for too long, stays ready, and can be stopped', async () => {
    const readAt = clock.now().toISOString();
    link.close();
    clock.advance(12 * HOUR);
    expect(await readiness(cutOff)).toMatchObject({ checks: { keys_unread: false } });
    expect(await metric(cutOff, 'issuer_signing_keys_unread')).toBe(0);
    clock.advance(1);
    expect(await readiness(cutOff)).toMatchObject({
      code: 200,
      status: 'ready',
      checks: { keys_unread: true },
      keys_read_at: readAt,
    });
    expect(await metric(cutOff, 'issuer_signing_keys_unread')).toBe(1);
    expect(await metric(cutOff, 'issuer_signing_keys_read_age_seconds')).toBeCloseTo(43_200);

    const { mtime } = await stat(join(cutOff.dataDir, 'published-keys.json'));
    expect(mtime.toISOString()).toBe(readAt);
    await link.open();
    await keepKeys(cutOff);
    expect(await readiness(cutOff)).toMatchObject({ checks: { keys_unread: false } });

    link.close();
    await cutOff.stop();
    expect(await replicasOf(issuer)).toHaveLength(2);
    clock.advance(DAY + 1);
    await issuer.running.app.get(SigningKeys).refresh();
    expect(await replicasOf(issuer)).toHaveLength(1);
  });
});
