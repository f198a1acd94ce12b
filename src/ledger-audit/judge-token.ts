import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { compactVerify, importJWK } from 'jose';
import { isUuid } from '../domain/uuid.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { auditRows } from './audit-rows.js';
import { CheckpointKeys } from './checkpoint-keys.js';
import { isOfDroppedDay } from './dropped-days.js';
import type { Finding, Report } from './finding.js';
import { firstJtiAt, millisecondsOf } from './jti-range.js';
import { type AuditedKey, readKeys } from './key-findings.js';

export interface JudgedToken {
  readonly jti: string | null;
  /** The key of ours that signed it; null when none did. */
  readonly kid: string | null;
  /** Whether the ledger has a row for it; null when its day was dropped. */
  readonly recorded: boolean | null;
}

interface Row {
  readonly kid: string;
  readonly claims_digest: Buffer;
}

/** Judging a row needs its whole batch, and no batch spans more time than this. */
const AROUND_MS = 60_000;

/** The text is not a JWS. */
export class NotAJwsError extends Error {
  override readonly name = 'NotAJwsError';
}

/** Finds out whether we issued a given token. No finding repeats the token. */
@Injectable()
export class JudgeToken {
  constructor(
    private readonly database: Database,
    private readonly keys: CheckpointKeys,
    private readonly clock: Clock,
  ) {}

  /** @throws {NotAJwsError} */
  async judge(token: string, report: Report): Promise<JudgedToken> {
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
      throw new NotAJwsError('this is not a compact JWS');
    const signed = await this.signatureOf(token);
    if (!signed) {
      const detail =
        'it was not signed by any key that this service ever had: validators refuse it';
      report({ finding: 'FOREIGN', detail });
      return { jti: null, kid: null, recorded: false };
    }
    const { kid, payload } = signed;
    const { jti, exp } = claimsOf(payload);
    if (typeof jti !== 'string' || !isUuid(jti)) {
      return this.forged(report, null, kid, 'its jti is not a UUID, as ours are');
    }
    const row = await this.rowOf(jti);
    if (!row) return this.unrecorded(report, jti, kid, exp);
    const digest = createHash('sha256').update(payload).digest();
    if (!digest.equals(row.claims_digest) || row.kid !== kid) {
      return this.forged(report, jti, kid, 'the ledger knows its jti with another payload or key');
    }
    await this.judgeRow(jti, report);
    return { jti, kid, recorded: true };
  }

  private async unrecorded(
    report: Report,
    jti: string,
    kid: string,
    exp: unknown,
  ): Promise<JudgedToken> {
    const dropped = await isOfDroppedDay(this.database.pool, this.keys, jti);
    const over = typeof exp === 'number' && exp * 1000 < this.clock.now().getTime();
    if (dropped && over) return { jti, kid, recorded: null };
    return this.forged(
      report,
      jti,
      kid,
      'a key of ours signed it, and the ledger has no row for it',
    );
  }

  /** No token leaves the service without its row, so somebody else has the private key. */
  private forged(report: Report, jti: string | null, kid: string, why: string): JudgedToken {
    const detail =
      `${why}: first check with npm run ledger:verify whether rows are missing. If none is, somebody ` +
      `else has key ${kid}: revoke it`;
    const finding: Finding = { finding: 'FORGED', detail };
    report(jti === null ? finding : { ...finding, jti });
    return { jti, kid, recorded: false };
  }

  /** Reports the findings of its row and of its batch. */
  private async judgeRow(jti: string, report: Report): Promise<void> {
    const sql = `SELECT chain_id || '/' || batch_number AS batch FROM issued_tokens WHERE jti = $1`;
    const { rows } = await this.database.pool.query<{ batch: string | null }>(sql, [jti]);
    const batch = rows[0]?.batch ?? null;
    const at = millisecondsOf(jti);
    const range = { from: firstJtiAt(at - AROUND_MS), to: firstJtiAt(at + AROUND_MS) };
    const ledger = { pool: this.database.pool, keys: this.keys, now: this.clock.now() };
    await auditRows(ledger, range, (finding) => {
      if (finding.jti === jti || (batch !== null && finding.batch === batch)) report(finding);
    });
  }

  private async rowOf(jti: string): Promise<Row | null> {
    const sql = 'SELECT kid, claims_digest FROM issued_tokens WHERE jti = $1';
    return (await this.database.pool.query<Row>(sql, [jti])).rows[0] ?? null;
  }

  /** Tries every key, as validators do: they ignore the `kid` of a token. */
  private async signatureOf(
    token: string,
  ): Promise<{ readonly kid: string; readonly payload: Uint8Array } | null> {
    for (const key of (await readKeys(this.database.pool)).values()) {
      const payload = await verifiedBy(key, token);
      if (payload) return { kid: key.kid, payload };
    }
    return null;
  }
}

async function verifiedBy(key: AuditedKey, token: string): Promise<Uint8Array | null> {
  try {
    const publicKey = await importJWK({ ...key.public_jwk });
    return (await compactVerify(token, publicKey, { algorithms: ['RS256'] })).payload;
  } catch {
    return null;
  }
}

function claimsOf(payload: Uint8Array): { readonly jti?: unknown; readonly exp?: unknown } {
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    return typeof claims === 'object' && claims !== null ? claims : {};
  } catch {
    return {};
  }
}
