import { type AuditedLedger, issueAuditedLedger } from './audited-ledger.js';
import { verifyOn } from './ledger-command.js';

describe('npm run ledger:verify', () => {
  let ledger: AuditedLedger;
  beforeAll(async () => {
    ledger = await issueAuditedLedger();
  });
  afterAll(() => ledger.stop());

  const verify = (...args: string[]) => verifyOn(ledger, ...args);

  it('prints how much it has checked, and exits 0 without findings', async () => {
    const line = /^12 tokens, \d+ batches, 3 checkpoints in [\d.]+ s: nothing found$/;
    const out = [expect.stringMatching(line) as string];
    await expect(verify()).resolves.toEqual({ status: 0, out, err: [] });
  });

  it('reads only the rows of the given days, and prints JSON for programs', async () => {
    const { status, out } = await verify('--from', '2026-03-02', '--to', '2026-03-03', '--json');
    expect(status).toBe(0);
    expect(out.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ rows: 4, checkpoints: 3, findings: 0 }),
    ]);
  });

  it('prints each finding and exits 1, and reports nothing about days that it did not read', async () => {
    const { intruder } = ledger;
    const changed = `UPDATE issued_tokens SET claims_digest = sha256('') WHERE jti =
      (SELECT jti FROM issued_tokens ORDER BY jti LIMIT 1) RETURNING jti, chain_id, batch_number`;
    const [row] = await intruder.query<{ jti: string; chain_id: string; batch_number: number }>(
      changed,
    );
    const batch = `${row?.chain_id ?? ''}/${row?.batch_number ?? ''}`;
    await expect(verify()).resolves.toEqual({
      status: 1,
      out: [
        `CLAIMS_DIFFER token ${row?.jti ?? ''}: the signed claims do not follow from its row`,
        `ROW_MISSING_OR_CHANGED batch ${batch}: a row of it was changed`,
        expect.stringMatching(/: 2 finding\(s\)$/) as string,
      ],
      err: [],
    });
    const inJson = (await verify('--json')).out.map((line) => JSON.parse(line) as unknown);
    expect(inJson).toEqual([
      { finding: 'CLAIMS_DIFFER', jti: row?.jti, detail: expect.any(String) as string },
      { finding: 'ROW_MISSING_OR_CHANGED', batch, detail: 'a row of it was changed' },
      expect.objectContaining({ findings: 2 }),
    ]);
    expect((await verify('--from', '2026-03-02')).status).toBe(0);
    await intruder.restore();
  });

  it('prints its usage with examples', async () => {
    const { status, out, err } = await verify('--help');
    expect([status, err]).toEqual([0, []]);
    expect(out.join()).toContain('npm run ledger:verify -- --from 2026-03-01 --to 2026-03-07');
  });

  it.each([
    [['--from', '2026-02-30'], '"2026-02-30" is no day like 2026-03-01.'],
    [['--to', 'today'], '"today" is no day like 2026-03-01.'],
    [['--from', '2026-03-02', '--to', '2026-03-01'], '--from lies after --to.'],
    [['--token-file', 'x', '--from', '2026-03-02'], 'A token needs no days.'],
    [['--unknown'], 'Usage'],
    [['2026-03-01'], 'Usage'],
  ])('refuses %j as wrong usage and exits 2', async (args, why) => {
    const { status, out, err } = await verify(...args);
    expect([status, out]).toEqual([2, []]);
    expect(err.join()).toContain(why);
    expect(err.join()).toContain('Usage: npm run ledger:verify');
  });
});
