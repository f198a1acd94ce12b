import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { InstanceEntity } from '../instances/instance.entity.js';
import type { ExaminedInstance } from './examine-instances.js';

export type SweptInstance = ExaminedInstance & Pick<InstanceEntity, 'excessScopes' | 'excessUntil'>;

/** What a sweep keeps of an instance; both null when its tokens say nothing too much. */
export interface Excess {
  readonly id: string;
  readonly scopes: readonly string[] | null;
  readonly until: Date | null;
}

const COLUMNS = `
  id, license_id AS "licenseId", gitlab_version AS "gitlabVersion", last_sync_at AS "lastSyncAt",
  token_jti AS "tokenJti", token_expires_at AS "tokenExpiresAt",
  excess_scopes AS "excessScopes", excess_until AS "excessUntil"`;

const PAGE = `SELECT ${COLUMNS} FROM instances WHERE id > $1 ORDER BY id LIMIT $2`;

const PAGE_OF_LICENSES = `
  SELECT ${COLUMNS} FROM instances
  WHERE id > $1 AND license_id = ANY($3) ORDER BY id LIMIT $2`;

const STORE = `
  WITH found AS (
    SELECT * FROM jsonb_to_recordset($1) AS f (id uuid, scopes text[], until timestamptz)
  ), held AS (
    SELECT id FROM instances WHERE id IN (SELECT id FROM found) FOR NO KEY UPDATE <waiting>
  )
  UPDATE instances SET excess_scopes = found.scopes, excess_until = found.until
  FROM found JOIN held USING (id) WHERE instances.id = found.id
  RETURNING instances.id`;
const STORE_WITHOUT_WAITING = STORE.replace('<waiting>', 'SKIP LOCKED');
const STORE_ONE = STORE.replace('<waiting>', '');

/** Which instances hold tokens that say too much, as a sweep leaves it in their rows. */
@Injectable()
export class ExcessRepository {
  /** The instances after `id` in order, or those among them that belong to `licenseIds`. */
  async page(
    manager: EntityManager,
    id: string,
    limit: number,
    licenseIds: readonly string[] | null,
  ): Promise<SweptInstance[]> {
    return licenseIds === null
      ? manager.query<SweptInstance[]>(PAGE, [id, limit])
      : manager.query<SweptInstance[]>(PAGE_OF_LICENSES, [id, limit, licenseIds]);
  }

  /**
   * Outside a transaction. Syncs update the same rows, many at a time: whoever holds several and
   * waits for another one could wait for a sync that waits for him. So rows that are held are left
   * for last and taken one at a time.
   */
  async store(manager: EntityManager, found: readonly Excess[]): Promise<void> {
    if (found.length === 0) return;
    const stored = new Set(await this.storeBy(STORE_WITHOUT_WAITING, manager, found));
    for (const one of found) {
      if (!stored.has(one.id)) await this.storeBy(STORE_ONE, manager, [one]);
    }
  }

  private async storeBy(
    sql: string,
    manager: EntityManager,
    found: readonly Excess[],
  ): Promise<string[]> {
    const values = [JSON.stringify(found)];
    const [rows] = await manager.query<[{ id: string }[], number]>(sql, values);
    return rows.map(({ id }) => id);
  }
}
