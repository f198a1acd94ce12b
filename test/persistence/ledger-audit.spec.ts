import { createHash, randomBytes } from 'node:crypto';
import { uuidV7 } from '../../src/domain/uuid-v7.js';
import type { AuditedDays } from '../../src/ledger-audit/ledger-auditor.js';
import { type AuditedLedger, issueAuditedLedger } from './audited-ledger.js';

const OVER = { issued_at: '2026-04-01T00:00:00Z', expires_at: '2026-04-02T00:00:00Z' };

const NO_SUCH_BATCH = /^there is no batch [\da-f-]{36}\/0$/;

describe('the audit of the ledger', () => {
  let ledger: AuditedLedger;
  beforeAll(async () => {
    ledger = await issueAuditedLedger();
  });
  afterEach(() => ledger.intruder.restore());
  afterAll(() => ledger.stop());

  it('finds nothing wrong in issued tokens, even when licenses and purchases changed meanwhile', async () => {
    await expect(ledger.audit()).resolves.toMatchObject({
      ...{ rows: 12, checkpoints: 3, found: [] },
    });
    const sql = 'SELECT DISTINCT scope_set_digest FROM issued_tokens';
    expect((await ledger.intruder.query(sql)).length).toBeGreaterThan(3);
  });

  it('audits only the days that it is asked for', async () => {
    const rows = async (days: AuditedDays) => (await ledger.audit(days)).rows;
    expect(await rows({ from: '2026-03-02', to: '2026-03-03' })).toBe(4);
    expect(await rows({ to: '2026-03-01' })).toBe(4);
    expect(await rows({ from: '2026-03-04' })).toBe(4);
  });

  it('finds a planted row that grants scopes without a purchase', async () => {
    const [scopes, audiences] = [['everything'], ['gitlab-ai-gateway']];
    const digest = createHash('sha256')
      .update(JSON.stringify([scopes, audiences]))
      .digest();
    await ledger.intruder.query('INSERT INTO scope_sets VALUES ($1, $2, $3)', [
      digest,
      scopes,
      audiences,
    ]);
    const jti = await ledger.plant({ scope_set_digest: digest });
    const { found } = await ledger.audit();
    expect(found.filter((one) => one.jti === jti)).toEqual([
      { finding: 'NO_BATCH', jti, detail: expect.stringMatching(NO_SUCH_BATCH) as string },
      expect.objectContaining({
        finding: 'UNEXPLAINED_SCOPES',
        detail: expect.stringMatching(/^excess scopes: everything; missing scopes: /) as string,
      }),
    ]);
  });

  it('finds a planted row with the right scopes and other claims, in a batch of its own', async () => {
    const chain_id = uuidV7(ledger.clock.now(), randomBytes(10));
    const claims_digest = randomBytes(32);
    const jti = await ledger.plant({
      chain_id,
      batch_number: 0,
      claims_digest,
      issued_at: ledger.clock.now(),
    });
    await ledger.intruder.query(
      `INSERT INTO ledger_batches
       SELECT $1::uuid, 0, sha256(convert_to($1::uuid::text, 'UTF8')), sha256(''), 1, $2::uuid, $2,
              policy_digest
       FROM ledger_batches LIMIT 1`,
      [chain_id, jti],
    );
    expect(await ledger.codes()).toEqual(['CLAIMS_DIFFER', 'ROW_MISSING_OR_CHANGED']);
  });

  it('finds a planted row that no batch holds, however old it says it is', async () => {
    const jti = await ledger.plant({
      jti: uuidV7(new Date('2026-03-01T12:00:00Z'), randomBytes(10)),
    });
    expect((await ledger.audit()).found).toContainEqual(
      expect.objectContaining({ finding: 'NO_BATCH', jti }),
    );
  });

  it.each([
    ['of an expired license', OVER, 'NOT_ENTITLED'],
    ['of a license that did not exist yet', { issued_at: '2026-02-28T00:00:00Z' }, 'NOT_ENTITLED'],
    [
      'of an instance that does not exist',
      { instance_id: '9d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e50' },
      'WRONG_INSTANCE',
    ],
    ['under a key that never existed', { kid: 'unheard of' }, 'UNKNOWN_KEY'],
    ['before the key signed', { issued_at: '2026-03-01T11:59:00Z' }, 'KEY_NOT_CURRENT'],
    ['of another catalog', { catalog_digest: Buffer.alloc(32) }, 'SNAPSHOT_CHANGED'],
  ])('finds a planted row %s', async (_what, changes, code) => {
    await ledger.plant(changes);
    expect(await ledger.codes()).toContain(code);
  });

  it('finds a row whose token lives a second longer than the license and the lifetime allow', async () => {
    await ledger.intruder.query(
      `UPDATE issued_tokens SET expires_at = expires_at + interval '1 second'
       WHERE jti = (SELECT max(jti::text)::uuid FROM issued_tokens)`,
    );
    expect(await ledger.codes()).toEqual(['EXPIRES_TOO_LATE', 'ROW_MISSING_OR_CHANGED']);
  });

  it('finds a row from the time in which the tokens of the license were revoked, and no row before or after it', async () => {
    const [row] = await ledger.intruder.query<{ license_id: string }>(
      'SELECT license_id FROM issued_tokens LIMIT 1',
    );
    const tokens = `licenses/${row?.license_id ?? ''}/service_tokens`;
    const { clock, issuer } = ledger;
    await ledger.client(0).serviceToken();
    expect((await issuer.admin('POST', `${tokens}/revoke`, { reason: 'lost' })).status).toBe(200);
    clock.advance(60_000);
    const jti = await ledger.plant({ issued_at: clock.now() });
    clock.advance(60_000);
    expect((await issuer.admin('POST', `${tokens}/restore`, {})).status).toBe(200);
    await ledger.client(0).serviceToken();
    clock.advance(60_000);
    const { found } = await ledger.audit();
    expect(found).toEqual([
      { finding: 'NO_BATCH', jti, detail: expect.stringMatching(NO_SUCH_BATCH) as string },
      { finding: 'NOT_ENTITLED', jti, detail: expect.stringContaining('revoked') as string },
    ]);
  });
});
