import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { firstLiveJti } from '../ledger/recorded-tokens.js';

export interface AffectedInstance {
  /** The id of the instance's row. */
  readonly id: string;
  readonly licenseId: string;
  readonly instanceUuid: string;
  readonly hostName: string | null;
  readonly liveTokens: number;
  readonly lastExpiresAt: Date;
}

/** The tokens and instances that lose when a signing key is revoked. */
export interface RevocationImpact {
  readonly liveTokens: number;
  readonly instances: number;
  /** The live tokens that the platform issued to itself. No instance holds them. */
  readonly selfIssuedTokens: number;
  /** When the last live token expires; null without live tokens. */
  readonly lastExpiresAt: Date | null;
  /** The instances whose tokens expire last, at most 100. */
  readonly affected: readonly AffectedInstance[];
}

const NAMED = 100;

/** `jti >= $2` skips the days of the ledger that cannot hold a live token. */
const COUNT = `
  SELECT count(*)::int AS "liveTokens", count(DISTINCT instance_id)::int AS instances,
         count(self_issued)::int AS "selfIssuedTokens",
         max(expires_at) AS "lastExpiresAt"
  FROM issued_tokens WHERE kid = $1 AND jti >= $2 AND expires_at > $3`;

const AFFECTED = `
  SELECT i.id, i.license_id AS "licenseId", i.instance_uuid AS "instanceUuid",
         i.host_name AS "hostName", t.tokens AS "liveTokens", t.expires_at AS "lastExpiresAt"
  FROM (
    SELECT instance_id, count(*)::int AS tokens, max(expires_at) AS expires_at
    FROM issued_tokens
    WHERE kid = $1 AND jti >= $2 AND expires_at > $3 AND instance_id IS NOT NULL
    GROUP BY instance_id ORDER BY expires_at DESC, instance_id LIMIT ${NAMED}
  ) t
  JOIN instances i ON i.id = t.instance_id
  ORDER BY t.expires_at DESC, i.id`;

@Injectable()
export class KeyRevocationImpact {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async of(kid: string): Promise<RevocationImpact> {
    const { manager } = this.database;
    const now = this.clock.now();
    const parameters = [kid, firstLiveJti(now), now];
    const [counts] = await manager.query<Omit<RevocationImpact, 'affected'>[]>(COUNT, parameters);
    if (!counts) throw new Error('a count returned no row');
    const affected = await manager.query<AffectedInstance[]>(AFFECTED, parameters);
    return { ...counts, affected };
  }
}
