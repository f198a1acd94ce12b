import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { type AuditedLedger, issueAuditedLedger } from './audited-ledger.js';
import { verifyOn } from './ledger-command.js';

const MINUTE = 60_000;

describe('a ledger that somebody has tampered with', () => {
  let ledger: AuditedLedger;
  beforeAll(async () => {
    ledger = await issueAuditedLedger();
  });
  afterEach(() => ledger.intruder.restore());
  afterAll(() => ledger.stop());

  it.each([
    `license_id = gen_random_uuid()`,
    `kid = 'another'`,
    `gitlab_version = '99.0'`,
    `issued_at = issued_at + interval '1 millisecond'`,
    `expires_at = expires_at - interval '1 second'`,
    `claims_digest = sha256('')`,
    `catalog_digest = sha256('')`,
    `scope_set_digest = sha256('')`,
    `instance_id = gen_random_uuid()`,
    `status_index = 7`,
  ])('finds a row that was changed: %s', async (change) => {
    const one = `(SELECT jti FROM issued_tokens ORDER BY jti OFFSET 5 LIMIT 1)`;
    await ledger.intruder.query(`UPDATE issued_tokens SET ${change} WHERE jti = ${one}`);
    expect(await ledger.codes()).toContain('ROW_MISSING_OR_CHANGED');
  });

  it('finds any row that was removed', async () => {
    const rows = await ledger.intruder.query<{ jti: string }>('SELECT jti FROM issued_tokens');
    for (const { jti } of rows) {
      await ledger.intruder.query('DELETE FROM issued_tokens WHERE jti = $1', [jti]);
      expect(await ledger.codes()).toContain('ROW_MISSING_OR_CHANGED');
      await ledger.intruder.restore();
    }
  });

  it('finds any batch that was removed with its rows', async () => {
    const batches = await ledger.intruder.query<{ chain_id: string; number: number }>(
      'SELECT chain_id, number FROM ledger_batches',
    );
    expect(batches.length).toBeGreaterThan(6);
    for (const { chain_id, number } of batches) {
      const values = [chain_id, number];
      await ledger.intruder.query(
        'DELETE FROM issued_tokens WHERE chain_id = $1 AND batch_number = $2',
        values,
      );
      await ledger.intruder.query(
        'DELETE FROM ledger_batches WHERE chain_id = $1 AND number = $2',
        values,
      );
      expect(await ledger.codes()).toContain('CHECKPOINT_BROKEN');
      await ledger.intruder.restore();
    }
  });

  it('finds a removed row even when its batch now names a row of another batch', async () => {
    await ledger.intruder.query('DELETE FROM issued_tokens WHERE batch_number = 4');
    await ledger.intruder.query(`UPDATE ledger_batches SET first_jti = other.first_jti,
      last_jti = other.last_jti FROM ledger_batches other
      WHERE ledger_batches.number = 4 AND other.number = 5`);
    expect(await ledger.codes()).toContain('ROW_MISSING_OR_CHANGED');
  });

  it('finds a batch whose end was moved to a later row, so that it would never be judged', async () => {
    await ledger.intruder.query(`UPDATE ledger_batches
      SET last_jti = 'ffffffff-ffff-7fff-bfff-ffffffffffff' WHERE number = 4`);
    expect(await ledger.codes()).toEqual(['ROW_MISSING_OR_CHANGED']);
  });

  it('finds that the end of the chain was cut off after a checkpoint', async () => {
    const end = `WHERE number >= (SELECT max(number) - 2 FROM ledger_batches)`;
    await ledger.intruder.query(
      `DELETE FROM issued_tokens ${end.replace('number >=', 'batch_number >=')}`,
    );
    await ledger.intruder.query(`DELETE FROM ledger_batches ${end}`);
    const { found } = await ledger.audit();
    expect(new Set(found.map(({ finding }) => finding))).toEqual(
      new Set(['ROW_MISSING_OR_CHANGED', 'CHECKPOINT_BROKEN']),
    );
  });

  it('finds a checkpoint that was removed, and one that was replaced', async () => {
    await ledger.intruder.query('DELETE FROM ledger_checkpoints WHERE number = 3');
    expect(await ledger.codes()).toContain('CHECKPOINT_BROKEN');
    await ledger.intruder.restore();
    await ledger.intruder.query('DELETE FROM ledger_checkpoints WHERE number = 2');
    expect(await ledger.codes()).toContain('CHECKPOINT_BROKEN');
    await ledger.intruder.restore();
    const forged = `UPDATE ledger_checkpoints SET signed = 'e30.e30.e30',
      hash = sha256(convert_to('e30.e30.e30', 'UTF8')) WHERE number = 3`;
    await ledger.intruder.query(forged);
    expect(await ledger.codes()).toEqual(['CHECKPOINT_BROKEN']);
  });

  it('finds batches that have no checkpoint 15 minutes later while the service runs', async () => {
    const issuedAt = new Date('2026-03-04T12:02:00.250Z');
    await ledger.intruder.query(
      `UPDATE ledger_batches SET checkpoint_number = NULL WHERE checkpoint_number = 3`,
    );
    await ledger.intruder.query('DELETE FROM ledger_checkpoints WHERE number = 3');
    const now = ledger.clock.now();
    ledger.clock.set(new Date(issuedAt.getTime() + 12 * MINUTE));
    const early = await ledger.sampled();
    ledger.clock.set(new Date(issuedAt.getTime() + 17 * MINUTE));
    const late = await ledger.sampled();
    const afterwards = await ledger.codes();
    ledger.clock.set(now);
    expect(early).toEqual([]);
    expect(new Set(late)).toEqual(new Set(['NO_CHECKPOINT']));
    // The service may have been down since.
    expect(afterwards).toEqual([]);
  });

  it('finds a batch that the checkpoints left out', async () => {
    await ledger.intruder.query(
      `UPDATE ledger_batches SET checkpoint_number = NULL WHERE number = 4`,
    );
    expect(await ledger.codes()).toContain('NO_CHECKPOINT');
  });

  it('finds a note of a dropped day that cannot have been dropped', async () => {
    const note = `INSERT INTO ledger_dropped_days VALUES ($1, 0, 1, 99, $2, 'e30.e30.e30')`;
    const forget = 'DELETE FROM ledger_dropped_days';
    await ledger.intruder.query(note, ['2026-03-04', '2026-04-04T00:00:00Z']);
    const stillThere = await ledger.codes();
    await ledger.intruder.query(forget);
    await ledger.intruder.query(note, ['2026-02-27', '2026-02-28T23:59:59.999Z']);
    const tooEarly = await ledger.codes();
    await ledger.intruder.query(forget);
    await ledger.intruder.query(note, ['2026-02-27', '2026-03-01T00:00:00Z']);
    const possible = await ledger.codes();
    await ledger.intruder.query(forget);
    expect([stillThere, tooEarly, possible]).toEqual([
      ['ROW_MISSING_OR_CHANGED'],
      ['ROW_MISSING_OR_CHANGED'],
      ['ROW_MISSING_OR_CHANGED'],
    ]);
  });

  it('finds a scope set and a policy that were changed', async () => {
    await ledger.intruder.query(`UPDATE scope_sets SET scopes = array_append(scopes, 'zzz')`);
    const policy = `UPDATE policy_snapshots SET document = jsonb_set(document, '{ttl_seconds}', $1)`;
    await ledger.intruder.query(policy, ['604800']);
    expect(await ledger.codes()).toContain('SNAPSHOT_CHANGED');
    await ledger.intruder.query(policy, ['259200']);
  });

  it('finds a catalog that was replaced by another document', async () => {
    await ledger.intruder.query(`CREATE TEMPORARY TABLE kept AS TABLE catalog_snapshots`);
    await ledger.intruder.query(`UPDATE catalog_snapshots SET document = '{}'`);
    expect(await ledger.codes()).toContain('SNAPSHOT_CHANGED');
    await ledger.intruder.query(`UPDATE catalog_snapshots c SET document = kept.document
      FROM kept WHERE kept.digest = c.digest`);
  });

  it('finds that the last checkpoint was removed, or made again, since it was seen or copied', async () => {
    const { issuer, intruder } = ledger;
    const before = await intruder.query<{ signed: string }>(
      'SELECT signed FROM ledger_checkpoints',
    );
    const kept = join(issuer.dataDir, 'kept');
    await writeFile(kept, JSON.stringify({ items: before }));
    expect(await ledger.sampled()).toEqual([]);
    expect(await verifyOn(ledger, '--checkpoints', kept)).toMatchObject({ status: 0 });

    await intruder.query(
      'UPDATE ledger_batches SET checkpoint_number = NULL WHERE checkpoint_number = 3',
    );
    await intruder.query('DELETE FROM ledger_checkpoints WHERE number = 3');
    expect(await ledger.sampled()).toContain('CHECKPOINT_BROKEN');
    await issuer.running.app.get(LedgerCheckpoints).write();

    const broken =
      /^CHECKPOINT_BROKEN checkpoint 3: it is not the one that was seen or kept before$/;
    const line = expect.stringMatching(broken) as string;
    expect(await ledger.sampled()).toEqual(['CHECKPOINT_BROKEN']);
    expect((await verifyOn(ledger)).out.slice(0, -1)).toEqual([line]);
    await rm(join(issuer.dataDir, 'last-checkpoint.jws'));
    expect((await verifyOn(ledger)).status).toBe(0);
    expect((await verifyOn(ledger, '--checkpoints', kept)).out.slice(0, -1)).toEqual([line]);
    expect((await verifyOn(ledger, '--checkpoints', '/nowhere')).status).toBe(2);
  });
});
