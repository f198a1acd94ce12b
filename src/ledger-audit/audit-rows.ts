import {
  type AuditedBatch,
  type AuditedLedger,
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
import { type Excuse, RowsWithoutBatch } from './rows-without-batch.js';
import { Suspicions } from './suspicions.js';
import { selfIssuedFindings } from './self-issued-findings.js';
import { orderOf, SelfIssuedStates } from './self-issued-states.js';
import { type InstanceRow, tokenFindings, type TokenFinding } from './token-findings.js';

const PAGE = 1000;

export interface RowsAudited {
  readonly rows: number;
  /** Of them, those of a version from before the chain, which have no batch. */
  readonly unchained: number;
}

interface Told {
  /** Called after each page with the rows so far and the last `jti`. */
  readonly progress?: (rows: number, jti: string) => void;
  readonly limit?: number;
}

/** Judges every row of a range by itself, and the batches that lie in it as a whole. */
export async function auditRows(
  ledger: AuditedLedger,
  range: JtiRange,
  report: Report,
  { progress, limit = Infinity }: Told = {},
): Promise<RowsAudited> {
  const { pool } = ledger;
  const audit = new RowAudit(ledger, report, range.from, {
    keys: await readKeys(pool),
    revocations: await TokenRevocations.read(pool),
    withoutBatch: await RowsWithoutBatch.read(ledger),
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
  await audit.passed(audited >= limit ? last : range.to);
  return { rows: audited, unchained: audit.unchained };
}

interface Known {
  keys: ReadonlyMap<string, AuditedKey>;
  readonly revocations: TokenRevocations;
  readonly withoutBatch: RowsWithoutBatch;
}

interface PageStates {
  readonly ofLicenses: ReadonlyMap<string, readonly LicenseState[]>;
  readonly selfIssued: SelfIssuedStates;
}

class RowAudit {
  unchained = 0;
  private readonly pool: AuditedLedger['pool'];
  private readonly suspicions: Suspicions;
  private readonly batches: BatchFindings;
  private readonly references: AuditReferences;
  private readonly licenses: LicenseStates;
  private readonly scopes = new RememberedScopes();

  constructor(
    { pool, keys }: AuditedLedger,
    private readonly report: Report,
    from: string,
    private readonly known: Known,
  ) {
    this.pool = pool;
    this.suspicions = new Suspicions(pool, keys, report);
    this.batches = new BatchFindings(from, this.suspicions);
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
    const excuses = rows.map((row) => this.checkBatch(row, batches));
    await this.suspicions.tell();
    for (const [index, row] of rows.entries()) {
      const batch = batchIn(batches, row);
      const policyKept = row.chain_id !== null || excuses[index] === 'upgrade';
      for (const [finding, detail] of [
        ...keyFindings(row, known.keys.get(row.kid)),
        ...(await this.judge(row, { batch, policyKept }, states)),
      ]) {
        this.report({ finding, jti: row.jti, detail });
      }
    }
    const last = rows.at(-1);
    if (last) await this.passed(last.jti);
  }

  /** Judges what ends at `jti` or before. */
  async passed(jti: string): Promise<void> {
    this.batches.passed(jti);
    await this.suspicions.tell();
  }

  private async judge(
    row: AuditedRow,
    { batch, policyKept }: { batch: AuditedBatch | undefined; policyKept: boolean },
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
      policyKept,
      revoked: this.known.revocations.forbid(row),
      states: statesAround(own, row.issued_at),
      ...references,
    };
    return tokenFindings(facts, this.scopes);
  }

  /** @returns why it may have no batch; null also where it has one */
  private checkBatch(row: AuditedRow, batches: ReadonlyMap<string, AuditedBatch>): Excuse | null {
    const batch = batchIn(batches, row);
    if (batch) {
      this.batches.take(row, batch);
      return null;
    }
    const key = keyOfBatch(row);
    const excuse = key === null ? this.known.withoutBatch.excuse(row) : null;
    if (excuse !== null) this.unchained += 1;
    else {
      const detail = key === null ? 'it belongs to no batch' : `there is no batch ${key}`;
      this.suspicions.add({ finding: 'NO_BATCH', jti: row.jti, detail }, row.jti);
    }
    return excuse;
  }
}

function keyOfBatch({ chain_id, batch_number }: AuditedRow): string | null {
  return chain_id === null ? null : batchKey(chain_id, batch_number ?? Number.NaN);
}

function batchIn(
  batches: ReadonlyMap<string, AuditedBatch>,
  row: AuditedRow,
): AuditedBatch | undefined {
  const key = keyOfBatch(row);
  return key === null ? undefined : batches.get(key);
}

function isOfInstance(row: AuditedRow): row is InstanceRow {
  return row.license_id !== null && row.instance_id !== null && row.gitlab_version !== null;
}
