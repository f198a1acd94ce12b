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
import { type LicenseState, LicenseStates, statesAround } from './license-states.js';
import { TokenRevocations } from './token-revocations.js';
import { selfIssuedFindings } from './self-issued-findings.js';
import { orderOf, SelfIssuedStates } from './self-issued-states.js';
import { type InstanceRow, tokenFindings, type TokenFinding } from './token-findings.js';

const PAGE = 1000;
/** No checkpoint covers more; see `LedgerCheckpoints`. */
const MAX_BATCHES = 10_000;

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
      SELECT first_jti FROM ledger_batches
      ORDER BY checkpoint_number, chain_id, number LIMIT ${MAX_BATCHES}
    ) oldest ORDER BY first_jti LIMIT 1`;
  return (await pool.query<{ first_jti: string }>(sql)).rows[0]?.first_jti ?? null;
}

interface Known {
  keys: ReadonlyMap<string, AuditedKey>;
  readonly revocations: TokenRevocations;
  readonly firstChained: string | null;
}

interface PageStates {
  readonly ofLicenses: ReadonlyMap<string, readonly LicenseState[]>;
  readonly selfIssued: SelfIssuedStates;
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
    const states: PageStates = {
      ofLicenses: await this.licenses.of(rows.flatMap(({ license_id }) => license_id ?? [])),
      selfIssued: await SelfIssuedStates.of(this.pool, rows),
    };
    const { known } = this;
    if (rows.some(({ kid }) => !known.keys.has(kid))) known.keys = await readKeys(this.pool);
    for (const row of rows) {
      const key =
        row.chain_id === null ? null : batchKey(row.chain_id, row.batch_number ?? Number.NaN);
      const batch = key === null ? undefined : batches.get(key);
      this.checkBatch(row, key, batch);
      for (const [finding, detail] of [
        ...keyFindings(row, known.keys.get(row.kid)),
        ...(await this.judge(row, batch, states)),
      ]) {
        this.report({ finding, jti: row.jti, detail });
      }
    }
    const last = rows.at(-1);
    if (last) this.batches.passed(last.jti);
  }

  private async judge(
    row: AuditedRow,
    batch: AuditedBatch | undefined,
    states: PageStates,
  ): Promise<TokenFinding[]> {
    const references = {
      policies: await this.references.policiesOf(batch?.policy_digest ?? null),
      catalog: await this.references.catalog(row.catalog_digest),
      recorded: await this.references.scopeSet(row.scope_set_digest),
    };
    if (row.self_issued !== null) {
      const order = orderOf(row.self_issued);
      const around = states.selfIssued.around(order, row.issued_at);
      return selfIssuedFindings({ row, order, states: around, ...references });
    }
    if (!isOfInstance(row)) return [['WRONG_INSTANCE', 'it has neither an owner nor an order']];
    const own = states.ofLicenses.get(row.license_id) ?? [];
    const facts = {
      row,
      revoked: this.known.revocations.forbid(row),
      states: statesAround(own, row.issued_at),
      ...references,
    };
    return tokenFindings(facts, this.scopes);
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

function isOfInstance(row: AuditedRow): row is InstanceRow {
  return row.license_id !== null && row.instance_id !== null && row.gitlab_version !== null;
}
