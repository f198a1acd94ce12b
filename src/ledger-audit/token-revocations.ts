import type { Pool } from 'pg';
import type { AuditedRow } from './audited-rows.js';
import { AFTER_MS, BEFORE_MS } from './license-states.js';

interface Revocation {
  /** The id of the row of a license or an instance. */
  readonly subject: string;
  readonly revoked_at: Date;
  readonly restored_at: Date | null;
}

/** When the tokens of licenses and instances were revoked. All are read: there are few. */
export class TokenRevocations {
  private constructor(private readonly bySubject: ReadonlyMap<string, readonly Revocation[]>) {}

  static async read(pool: Pick<Pool, 'query'>): Promise<TokenRevocations> {
    const { rows } = await pool.query<Revocation>(
      `SELECT coalesce(license_id, instance_id) AS subject, revoked_at, restored_at
       FROM service_token_revocations WHERE license_id IS NOT NULL OR instance_id IS NOT NULL`,
    );
    const bySubject = new Map<string, Revocation[]>();
    for (const row of rows)
      bySubject.set(row.subject, [...(bySubject.get(row.subject) ?? []), row]);
    return new TokenRevocations(bySubject);
  }

  /** Whether one was active when the token was issued, and had been for long enough to be seen. */
  forbid({ license_id, instance_id, issued_at }: AuditedRow): boolean {
    const at = issued_at.getTime();
    return [license_id, instance_id]
      .flatMap((subject) => (subject === null ? [] : (this.bySubject.get(subject) ?? [])))
      .some(
        ({ revoked_at, restored_at }) =>
          at - BEFORE_MS > revoked_at.getTime() &&
          (restored_at === null || at + AFTER_MS < restored_at.getTime()),
      );
  }
}
