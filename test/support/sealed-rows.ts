import type { Pool } from 'pg';
import { Sealing } from '../../src/sealing/sealing.js';
import { insert, licenseRow } from '../persistence/rows.js';

/** Licenses as a service with this key-encryption key would have registered them. @returns their ids */
export async function addSealedLicenses(pool: Pool, key: Buffer, count: number): Promise<string[]> {
  const sealing = new Sealing(key);
  const rows = Array.from({ length: count }, () => licenseRow());
  for (const row of rows) {
    const sealed_key = sealing.seal(Buffer.from(`key of ${row.id}`), `licenses:${row.id}`);
    await insert(pool, 'licenses', { ...row, sealed_key });
  }
  return rows.map(({ id }) => id).sort();
}

/** The ids of all rows whose sealed value this key opens, and of all where it does not. */
export async function openedBy(
  pool: Pool,
  key: Buffer,
): Promise<{ readonly opened: readonly string[]; readonly closed: readonly string[] }> {
  const sealing = new Sealing(key);
  const { rows } = await pool.query<{ owner: string; sealed: Buffer }>(
    `SELECT 'signing_keys:' || kid AS owner, sealed_private_key AS sealed FROM signing_keys
       WHERE sealed_private_key IS NOT NULL
     UNION ALL SELECT 'auxiliary_keys:' || kid, sealed_private_key FROM auxiliary_keys
       WHERE sealed_private_key IS NOT NULL
     UNION ALL SELECT 'auxiliary_keys:' || kid, sealed_kid FROM auxiliary_keys
     UNION ALL SELECT 'licenses:' || id, sealed_key FROM licenses ORDER BY 1`,
  );
  const [opened, closed]: [string[], string[]] = [[], []];
  for (const { owner, sealed } of rows) {
    try {
      sealing.open(sealed, owner);
      opened.push(owner);
    } catch {
      closed.push(owner);
    }
  }
  return { opened, closed };
}
