import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { InstanceEntity } from '../instances/instance.entity.js';
import type { InstanceToAssess } from './assess-instances.js';

export type InstanceToSweep = InstanceToAssess &
  Pick<InstanceEntity, 'excessScopes' | 'excessScopesUntil'>;

/** What a sweep writes into the row of an instance; both are null if its tokens have no excess scopes. */
export interface ExcessScopes {
  readonly id: string;
  readonly scopes: readonly string[] | null;
  readonly until: Date | null;
}

const COLUMNS = `
  id, license_id AS "licenseId", gitlab_version AS "gitlabVersion", last_sync_at AS "lastSyncAt",
  token_jti AS "tokenJti", token_expires_at AS "tokenExpiresAt",
  excess_scopes AS "excessScopes", excess_scopes_until AS "excessScopesUntil"`;

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
  UPDATE instances SET excess_scopes = found.scopes, excess_scopes_until = found.until
  FROM found JOIN held USING (id) WHERE instances.id = found.id
  RETURNING instances.id`;
const STORE_WITHOUT_WAITING = STORE.replace('<waiting>', 'SKIP LOCKED');
const STORE_ONE = STORE.replace('<waiting>', '');

/** Pages of instances, and the excess scopes of their tokens as the last sweep found them. */
@Injectable()
export class ExcessScopesRepository {
  /** The instances after `id` in order: all of them, or those of `licenseIds`. */
  async page(
    manager: EntityManager,
    id: string,
    limit: number,
    licenseIds: readonly string[] | null,
  ): Promise<InstanceToSweep[]> {
    return licenseIds === null
      ? manager.query<InstanceToSweep[]>(PAGE, [id, limit])
      : manager.query<InstanceToSweep[]>(PAGE_OF_LICENSES, [id, limit, licenseIds]);
  }

  /**
   * Call it outside a transaction. Syncs update the same rows, many at a time. A sweep that holds several
   * rows and waits for another could wait for a sync that waits for the sweep. So it skips rows that are
   * held, and then writes those one at a time.
   */
  async store(manager: EntityManager, found: readonly ExcessScopes[]): Promise<void> {
    if (found.length === 0) return;
    const stored = new Set(await this.storeBy(STORE_WITHOUT_WAITING, manager, found));
    for (const one of found) {
      if (!stored.has(one.id)) await this.storeBy(STORE_ONE, manager, [one]);
    }
  }

  private async storeBy(
    sql: string,
    manager: EntityManager,
    found: readonly ExcessScopes[],
  ): Promise<string[]> {
    const values = [JSON.stringify(found)];
    const [rows] = await manager.query<[{ id: string }[], number]>(sql, values);
    return rows.map(({ id }) => id);
  }
}
