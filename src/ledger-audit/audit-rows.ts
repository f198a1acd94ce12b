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
import { UnconfirmedFindings } from './unconfirmed-findings.js';
import { selfIssuedFindings } from './self-issued-findings.js';
import { requestOf, SelfIssuedStates } from './self-issued-states.js';
import { type InstanceRow, tokenFindings, type TokenFinding } from './token-findings.js';

const PAGE = 1000;

interface AuditRowsOptions {
  /** Called after each page with the rows so far. */
  readonly progress?: (rows: number) => void;
  readonly limit?: number;
}

/** Judges each row of a range, and each whole batch in it. @returns how many rows */
export async function auditRows(
  ledger: AuditedLedger,
  range: JtiRange,
  report: Report,
  { progress, limit = Infinity }: AuditRowsOptions = {},
): Promise<number> {
  const { pool } = ledger;
  const audit = new RowAudit(ledger, report, range.from, {
    keys: await readKeys(pool),
    revocations: await TokenRevocations.read(pool),
  });
  let audited = 0;
  let last = range.from;
  for await (const rows of pagesOfRows(pool, range, Math.min(PAGE, limit))) {
    await audit.page(rows);
    audited += rows.length;
    last = rows.at(-1)?.jti ?? last;
    progress?.(audited);
    if (audited >= limit) break;
  }
  await audit.passed(audited >= limit ? last : range.to);
  return audited;
}

interface LedgerFacts {
  keys: ReadonlyMap<string, AuditedKey>;
  readonly revocations: TokenRevocations;
}

interface PageStates {
  readonly ofLicenses: ReadonlyMap<string, readonly LicenseState[]>;
  readonly selfIssued: SelfIssuedStates;
}

class RowAudit {
  private readonly pool: AuditedLedger['pool'];
  private readonly now: Date;
  private readonly unconfirmed: UnconfirmedFindings;
  private readonly batches: BatchFindings;
  private readonly references: AuditReferences;
  private readonly licenses: LicenseStates;
  private readonly scopes = new RememberedScopes();

  constructor(
    { pool, keys, now }: AuditedLedger,
    private readonly report: Report,
    from: string,
    private readonly facts: LedgerFacts,
  ) {
    this.pool = pool;
    this.unconfirmed = new UnconfirmedFindings(pool, keys, report);
    this.batches = new BatchFindings(from, this.unconfirmed);
    this.references = new AuditReferences(pool, report);
    this.licenses = new LicenseStates(pool, now);
    this.now = now;
  }

  async page(rows: readonly AuditedRow[]): Promise<void> {
    const batches = await batchesOf(this.pool, rows);
    const states: PageStates = {
      ofLicenses: await this.licenses.of(rows.flatMap(({ license_id }) => license_id ?? [])),
      selfIssued: await SelfIssuedStates.of(this.pool, rows),
    };
    const { facts } = this;
    if (rows.some(({ kid }) => !facts.keys.has(kid))) facts.keys = await readKeys(this.pool);
    for (const row of rows) this.checkBatch(row, batches.get(keyOfBatch(row)));
    await this.unconfirmed.confirm();
    for (const row of rows) {
      for (const [finding, detail] of [
        ...keyFindings(row, facts.keys.get(row.kid), this.now),
        ...(await this.judge(row, batches.get(keyOfBatch(row)), states)),
      ]) {
        this.report({ finding, jti: row.jti, detail });
      }
    }
    const last = rows.at(-1);
    if (last) await this.passed(last.jti);
  }

  /** Judges the batches that end at `jti` or before. */
  async passed(jti: string): Promise<void> {
    this.batches.passed(jti);
    await this.unconfirmed.confirm();
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
      const request = requestOf(row.self_issued);
      const around = states.selfIssued.around(request, row.issued_at);
      return selfIssuedFindings({ row, request, states: around, ...references });
    }
    if (!isOfInstance(row))
      return [['WRONG_INSTANCE', 'it is neither for an instance nor self-issued']];
    const own = states.ofLicenses.get(row.license_id) ?? [];
    const facts = {
      row,
      revoked: this.facts.revocations.forbid(row),
      states: statesAround(own, row.issued_at),
      ...references,
    };
    return tokenFindings(facts, this.scopes);
  }

  private checkBatch(row: AuditedRow, batch: AuditedBatch | undefined): void {
    if (batch) {
      this.batches.take(row, batch);
      return;
    }
    const detail = `there is no batch ${keyOfBatch(row)}`;
    this.unconfirmed.add({ finding: 'NO_BATCH', jti: row.jti, detail }, row.jti);
  }
}

function keyOfBatch({ chain_id, batch_number }: AuditedRow): string {
  return batchKey(chain_id, batch_number);
}

function isOfInstance(row: AuditedRow): row is InstanceRow {
  return row.license_id !== null && row.instance_id !== null && row.gitlab_version !== null;
}
