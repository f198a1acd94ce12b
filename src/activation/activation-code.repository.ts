import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import {
  type ErrorByConstraint,
  translatingConstraints,
} from '../database/constraint-violation.js';
import { IssuerError } from '../platform/issuer-error.js';
import { type PageRequest, rowsToFetch } from '../database/page.js';
import { preparedStatement, type PreparedStatements } from '../database/prepared-statements.js';

/** A stored code: the database has its digest only. */
export interface ActivationCode {
  readonly id: string;
  readonly licenseId: string;
  readonly maxUses: number;
  /** The number of instances that have used it. */
  readonly uses: number;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly createdAt: Date;
}

export interface NewActivationCode {
  readonly id: string;
  readonly licenseId: string;
  readonly digest: Buffer;
  readonly maxUses: number;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

const COLUMNS = `id, license_id AS "licenseId", max_uses AS "maxUses", uses,
  expires_at AS "expiresAt", revoked_at AS "revokedAt", created_at AS "createdAt"`;

const REFUSALS: ErrorByConstraint = {
  activation_codes_uses_check: () =>
    new IssuerError(
      'ACTIVATION_CODE_USED_UP',
      'Other instances have used this activation code as often as it allows: ask for another code.',
    ),
  activations_code_revoked_check: () => revokedCode(),
};

const KNOWN_CODE = preparedStatement(
  'known_code',
  'SELECT FROM activation_codes WHERE digest = $1',
);

/** Codes and their uses. A trigger on `activations` counts `uses`. */
@Injectable()
export class ActivationCodeRepository {
  async insert(manager: EntityManager, code: NewActivationCode): Promise<ActivationCode> {
    const rows = await manager.query<ActivationCode[]>(
      `INSERT INTO activation_codes (id, license_id, digest, max_uses, expires_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
      [code.id, code.licenseId, code.digest, code.maxUses, code.expiresAt, code.createdAt],
    );
    return first(rows);
  }

  /** Whether this code exists, usable or not. Takes no connection of the admin side. */
  async isKnown(prepared: PreparedStatements, digest: Buffer): Promise<boolean> {
    return (await prepared.run(KNOWN_CODE, [digest])).length > 0;
  }

  async byDigest(manager: EntityManager, digest: Buffer): Promise<ActivationCode | null> {
    const rows = await manager.query<ActivationCode[]>(
      `SELECT ${COLUMNS} FROM activation_codes WHERE digest = $1`,
      [digest],
    );
    return rows[0] ?? null;
  }

  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, id: string): Promise<ActivationCode> {
    return first(
      await manager.query<ActivationCode[]>(
        `SELECT ${COLUMNS} FROM activation_codes WHERE id = $1`,
        [id],
      ),
    );
  }

  async list(
    manager: EntityManager,
    licenseId: string,
    usable: boolean | null,
    page: PageRequest,
    now: Date,
  ): Promise<ActivationCode[]> {
    return manager.query<ActivationCode[]>(
      `SELECT ${COLUMNS} FROM activation_codes
       WHERE license_id = $1 AND ($2::uuid IS NULL OR id > $2)
         AND ($3::boolean IS NULL OR $3 = (
           revoked_at IS NULL AND uses < max_uses AND (expires_at IS NULL OR expires_at > $4)))
       ORDER BY id LIMIT $5`,
      [licenseId, page.after, usable, now, rowsToFetch(page)],
    );
  }

  /** Keeps further instances from using it. Twice does nothing. @throws {IssuerError} NOT_FOUND */
  async revoke(manager: EntityManager, id: string, now: Date): Promise<ActivationCode> {
    await manager.query(
      `UPDATE activation_codes SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`,
      [id, now],
    );
    return this.get(manager, id);
  }

  async hasActivated(manager: EntityManager, codeId: string, instanceId: string): Promise<boolean> {
    const rows = await manager.query<unknown[]>(
      `SELECT FROM activations WHERE activation_code_id = $1 AND instance_id = $2`,
      [codeId, instanceId],
    );
    return rows.length > 0;
  }

  /**
   * Uses the code for an instance. Does nothing when this instance has used it before.
   * @throws {IssuerError} ACTIVATION_CODE_USED_UP, ACTIVATION_CODE_REVOKED
   */
  async use(
    manager: EntityManager,
    codeId: string,
    instanceId: string,
    automated: boolean,
    now: Date,
  ): Promise<void> {
    await translatingConstraints(REFUSALS, () =>
      manager.query(
        `INSERT INTO activations (activation_code_id, instance_id, automated, activated_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT activations_pkey DO NOTHING`,
        [codeId, instanceId, automated, now],
      ),
    );
  }
}

export function revokedCode(): IssuerError {
  return new IssuerError(
    'ACTIVATION_CODE_REVOKED',
    'This activation code was revoked: ask for another code.',
  );
}

function first(rows: readonly ActivationCode[]): ActivationCode {
  const [code] = rows;
  if (code) return code;
  throw new IssuerError('NOT_FOUND', 'There is no activation code with this id.');
}
