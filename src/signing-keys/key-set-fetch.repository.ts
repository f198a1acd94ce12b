import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type FetchCount, FetchCounts } from './fetch-counts.js';

/** Who has fetched the key set since a key is in it. */
export interface FetchedBy {
  readonly fetches: number;
  /** Distinct pairs of user agent and network. */
  readonly clients: number;
  /** The 20 that fetched last, the latest first. */
  readonly latest: readonly FetchingClient[];
}

export type FetchingClient = Omit<FetchCount, 'newestKid'>;

interface FetchedByRow extends FetchingClient {
  readonly kid: string;
  readonly allFetches: number;
  readonly clients: number;
}

const LATEST = 20;

const KNOWN = `
  SELECT newest_kid AS "newestKid", user_agent AS "userAgent", network, 0 AS fetches,
    first_fetched_at AS "firstFetchedAt", last_fetched_at AS "lastFetchedAt"
  FROM key_set_fetches WHERE newest_kid = ANY ($1)
  ORDER BY first_fetched_at, network, user_agent`;

// The kept keys may come from another database, so this one may not have their rows.
const ADD = `
  INSERT INTO key_set_fetches AS known
    (newest_kid, user_agent, network, fetches, first_fetched_at, last_fetched_at)
  SELECT "newestKid", "userAgent", network, fetches, "firstFetchedAt", "lastFetchedAt"
  FROM jsonb_to_recordset($1) AS given ("newestKid" text, "userAgent" text, network text,
    fetches bigint, "firstFetchedAt" timestamptz, "lastFetchedAt" timestamptz)
  WHERE "newestKid" IN (SELECT kid FROM signing_keys)
  ON CONFLICT ON CONSTRAINT key_set_fetches_pkey DO UPDATE SET
    fetches = known.fetches + excluded.fetches,
    first_fetched_at = least(known.first_fetched_at, excluded.first_fetched_at),
    last_fetched_at = greatest(known.last_fetched_at, excluded.last_fetched_at)`;

// A key set contains a key when its newest key was published with that key or later.
const OF_KEYS = `
  WITH fetched AS (
    SELECT key.kid, client.user_agent, client.network, sum(client.fetches) AS fetches,
      min(client.first_fetched_at) AS first_fetched_at,
      max(client.last_fetched_at) AS last_fetched_at
    FROM signing_keys key
    JOIN signing_keys newest ON newest.published_at >= key.published_at
    JOIN key_set_fetches client ON client.newest_kid = newest.kid
    WHERE key.kid = ANY ($1)
    GROUP BY key.kid, client.user_agent, client.network
  ), ranked AS (
    SELECT *, sum(fetches) OVER of_key AS all_fetches, count(*) OVER of_key AS clients,
      row_number() OVER (of_key ORDER BY last_fetched_at DESC, network, user_agent) AS place
    FROM fetched WINDOW of_key AS (PARTITION BY kid)
  )
  SELECT kid, user_agent AS "userAgent", network, fetches::float8 AS fetches,
    first_fetched_at AS "firstFetchedAt", last_fetched_at AS "lastFetchedAt",
    all_fetches::float8 AS "allFetches", clients::float8 AS clients
  FROM ranked WHERE place <= $2 ORDER BY kid, place`;

@Injectable()
export class KeySetFetchRepository {
  /** Adds counts within the bounds of `FetchCounts`. Needs a transaction. */
  async add(manager: EntityManager, counts: readonly FetchCount[]): Promise<void> {
    // Replicas take turns. Together they could fill more places than allowed.
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('key_set_fetches'))`);
    const places = new FetchCounts();
    const kids = [...new Set(counts.map(({ newestKid }) => newestKid))];
    for (const known of await manager.query<FetchCount[]>(KNOWN, [kids])) places.add(known);
    for (const count of counts) places.add(count);
    const added = places.all().filter(({ fetches }) => fetches > 0);
    await manager.query(ADD, [JSON.stringify(added)]);
  }

  /** By kid; without the keys that nobody fetched. */
  async ofKeys(
    manager: EntityManager,
    kids: readonly string[],
  ): Promise<ReadonlyMap<string, FetchedBy>> {
    const byKid = new Map<string, FetchedBy>();
    for (const row of await manager.query<FetchedByRow[]>(OF_KEYS, [kids, LATEST])) {
      const { kid, allFetches, clients, ...client } = row;
      const latest = [...(byKid.get(kid)?.latest ?? []), client];
      byKid.set(kid, { fetches: allFetches, clients, latest });
    }
    return byKid;
  }
}
