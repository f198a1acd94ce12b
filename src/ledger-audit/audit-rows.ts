import type { Pool } from 'pg';
import {
  type AuditedBatch,
  type AuditedRow,
  batchesOf,
  batchKey,
  pagesOfRows,
} from './audited-rows.js';
import { AuditReferences } from './audit-references.js';
import { BatchFindings } from './batch-findings.js';
import { RememberedScopes } from './expected-claims.js';
import type { Report } from './finding.js';
import type { JtiRange } from './jti-range.js';
import { type AuditedKey, keyFindings, readKeys } from './key-findings.js';
import { LicenseStates, statesAround } from './license-states.js';
import { TokenRevocations } from './token-revocations.js';
import { tokenFindings } from './token-findings.js';

const PAGE = 1000;

export interface RowsAudited {
  readonly rows: number;
  /** Of them, those from before the chain: their configuration was not kept, nor a batch. */
  readonly unchained: number;
}

interface Told {
  /** Called after each page with the rows so far and the last `jti`. */
  readonly progress?: (rows: number, jti: string) => void;
  readonly limit?: number;
}

/** Judges every row of a range by itself, and the batches that lie in it as a whole. */
export async function auditRows(
  pool: Pick<Pool, 'query'>,
  range: JtiRange,
  report: Report,
  { progress, limit = Infinity }: Told = {},
): Promise<RowsAudited> {
  const audit = new RowAudit(pool, report, range.from, {
    keys: await readKeys(pool),
    revocations: await TokenRevocations.read(pool),
    firstChained: await firstLink(pool),
  });
  let audited = 0;
  let last = range.from;
  for await (const rows of pagesOfRows(pool, range, Math.min(PAGE, limit))) {
    await audit.page(rows);
    audited += rows.length;
    last = rows.at(-1)?.jti ?? last;
    progress?.(audited, last);
    if (audited >= limit) break;
  }
  audit.batches.passed(audited >= limit ? last : range.to);
  return { rows: audited, unchained: audit.unchained };
}

/**
 * The first token of the oldest batch: from it on every row has to have one. It is looked for among
 * the batches of the first checkpoint that has any left, which an index finds.
 */
async function firstLink(pool: Pick<Pool, 'query'>): Promise<string | null> {
  const sql = `
    SELECT first_jti FROM (
      SELECT first_jti FROM ledger_batches ORDER BY checkpoint_number, chain_id, number LIMIT 1000
    ) oldest ORDER BY first_jti LIMIT 1`;
  return (await pool.query<{ first_jti: string }>(sql)).rows[0]?.first_jti ?? null;
}

interface Known {
  keys: ReadonlyMap<string, AuditedKey>;
  readonly revocations: TokenRevocations;
  readonly firstChained: string | null;
}

class RowAudit {
  readonly batches: BatchFindings;
  unchained = 0;
  private readonly references: AuditReferences;
  private readonly licenses: LicenseStates;
  private readonly scopes = new RememberedScopes();

  constructor(
    private readonly pool: Pick<Pool, 'query'>,
    private readonly report: Report,
    from: string,
    private readonly known: Known,
  ) {
    this.batches = new BatchFindings(from, report);
    this.references = new AuditReferences(pool, report);
    this.licenses = new LicenseStates(pool);
  }

  async page(rows: readonly AuditedRow[]): Promise<void> {
    const batches = await batchesOf(this.pool, rows);
    const states = await this.licenses.of(rows.map(({ license_id }) => license_id));
    const { known } = this;
    if (rows.some(({ kid }) => !known.keys.has(kid))) known.keys = await readKeys(this.pool);
    for (const row of rows) {
      const key =
        row.chain_id === null ? null : batchKey(row.chain_id, row.batch_number ?? Number.NaN);
      const batch = key === null ? undefined : batches.get(key);
      this.checkBatch(row, key, batch);
      const facts = {
        row,
        revoked: known.revocations.forbid(row),
        states: statesAround(states.get(row.license_id) ?? [], row.issued_at),
        policies: await this.references.policiesOf(batch?.policy_digest ?? null),
        catalog: await this.references.catalog(row.catalog_digest),
        recorded: await this.references.scopeSet(row.scope_set_digest),
      };
      for (const [finding, detail] of [
        ...keyFindings(row, known.keys.get(row.kid)),
        ...tokenFindings(facts, this.scopes),
      ]) {
        this.report({ finding, jti: row.jti, detail });
      }
    }
    const last = rows.at(-1);
    if (last) this.batches.passed(last.jti);
  }

  private checkBatch(row: AuditedRow, key: string | null, batch: AuditedBatch | undefined): void {
    if (batch) {
      this.batches.take(row, batch);
      return;
    }
    const { firstChained } = this.known;
    if (key === null && (firstChained === null || row.jti < firstChained)) {
      this.unchained += 1;
      return;
    }
    const detail = key === null ? 'it belongs to no batch' : `there is no batch ${key}`;
    this.report({ finding: 'NO_BATCH', jti: row.jti, detail });
  }
}
