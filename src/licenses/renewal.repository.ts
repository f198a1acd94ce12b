import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { preparedStatement, type PreparedStatements } from '../database/prepared-statements.js';
import type { License } from '../domain/license.js';
import { LicenseEntity } from './license.entity.js';

/** The database allows no longer line: `licenses_renewal_line_check`. */
const MAX_LINE = 100;

/** The licenses that renew license `$1`, one after the other. */
const LINE = `
  WITH RECURSIVE line (id, place) AS (
    SELECT id, 1 FROM licenses WHERE renews_license_id = $1
    UNION ALL
    SELECT renewal.id, place + 1 FROM line
    JOIN licenses renewal ON renewal.renews_license_id = line.id WHERE place < ${MAX_LINE}
  )`;

const RENEWALS = preparedStatement(
  'renewals_of_license',
  `${LINE}
  SELECT id, plan, kind, trial, seats, starts_on AS "startsOn", expires_on AS "expiresOn",
         revoked_at AS "revokedAt"
  FROM line JOIN licenses USING (id) ORDER BY place`,
);

/** The licenses that renew a license, directly or through others, in the order of the line. */
@Injectable()
export class RenewalRepository {
  async of(manager: EntityManager, licenseId: string): Promise<LicenseEntity[]> {
    const line = await manager.query<{ id: string }[]>(
      `${LINE} SELECT id FROM line ORDER BY place`,
      [licenseId],
    );
    if (line.length === 0) return [];
    const found = await manager.findBy(LicenseEntity, { id: In(line.map(({ id }) => id)) });
    const byId = new Map(found.map((license) => [license.id, license]));
    return line.flatMap(({ id }) => byId.get(id) ?? []);
  }

  /** The same on the pool of the sync path, for a denial. */
  async ofDenied(prepared: PreparedStatements, licenseId: string): Promise<License[]> {
    return prepared.run<License>(RENEWALS, [licenseId]);
  }
}
