import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SELF_ISSUED_TTL_SECONDS } from '../domain/self-issued-token-claims.js';
import { MAX_TTL_SECONDS } from '../domain/service-token-claims.js';
import { firstUuidV7 } from '../domain/uuid-v7.js';
import { IssuerError } from '../platform/issuer-error.js';

/** A token as the ledger has recorded it. */
export interface RecordedToken {
  readonly jti: string;
  /** Null for a self-issued token, as are instance and version. */
  readonly licenseId: string | null;
  /** The row of the instance. */
  readonly instanceId: string | null;
  readonly kid: string;
  readonly gitlabVersion: string | null;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly statusIndex: number | null;
  /** The request for a self-issued token; null for the token of an instance. */
  readonly selfIssued: Readonly<Record<string, unknown>> | null;
}

/** Which tokens to list. A null member matches every token. */
export interface TokenFilter {
  readonly licenseId: string | null;
  readonly instanceId: string | null;
  /** The platform's own id of the user or namespace that a self-issued token is for. */
  readonly user: string | null;
  readonly namespace: string | null;
  readonly kid: string | null;
  readonly live: boolean | null;
  readonly revoked: boolean | null;
}

export interface TokenPage {
  readonly items: readonly RecordedToken[];
  readonly nextCursor: string | null;
}

/** How many rows one page may look at when no index finds the tokens. */
const MAX_EXAMINED = 10_000;

const FIRST_JTI = firstUuidV7(new Date(0));

const COLUMNS = `jti, license_id AS "licenseId", instance_id AS "instanceId", kid,
  gitlab_version AS "gitlabVersion", issued_at AS "issuedAt", expires_at AS "expiresAt",
  revoked_at AS "revokedAt", status_index::float8 AS "statusIndex",
  self_issued AS "selfIssued"`;

/** No token that is live at `now` has a lower `jti`, so older partitions need not be opened. */
export function firstLiveJti(now: Date): string {
  return firstUuidV7(new Date(now.getTime() - MAX_TTL_SECONDS * 1000));
}

/** The same for self-issued tokens, which live for an hour at most. */
export function firstLiveSelfIssuedJti(now: Date): string {
  return firstUuidV7(new Date(now.getTime() - SELF_ISSUED_TTL_SECONDS * 1000));
}

/** Reads the ledger for admins, never the whole of it. */
@Injectable()
export class RecordedTokens {
  /** @throws {IssuerError} NOT_FOUND */
  async get(manager: EntityManager, jti: string): Promise<RecordedToken> {
    const sql = `SELECT ${COLUMNS} FROM issued_tokens WHERE jti = $1`;
    const [token] = await manager.query<RecordedToken[]>(sql, [jti]);
    if (token) return token;
    throw new IssuerError('NOT_FOUND', 'The ledger has no token with this jti.');
  }

  /** The scopes and audiences of a token. */
  async scopesOf(
    manager: EntityManager,
    jti: string,
  ): Promise<{ readonly scopes: readonly string[]; readonly audiences: readonly string[] }> {
    const [set] = await manager.query<{ scopes: string[]; audiences: string[] }[]>(
      `SELECT scopes, audiences FROM scope_sets
       WHERE digest = (SELECT scope_set_digest FROM issued_tokens WHERE jti = $1)`,
      [jti],
    );
    return set ?? { scopes: [], audiences: [] };
  }

  /**
   * The tokens after `after`, oldest first. An index finds the tokens of an instance or a license, and
   * the revoked ones. Other filters walk along the ledger and look at a limited number of rows a page.
   * Such a page may be short or even empty without being the last.
   */
  async list(
    manager: EntityManager,
    filter: TokenFilter,
    after: string | null,
    perPage: number,
    now: Date,
  ): Promise<TokenPage> {
    const { sql, values, walks } = search(filter, after, now);
    const found = await manager.query<RecordedToken[]>(`${sql} LIMIT ${perPage + 1}`, values);
    const items = found.slice(0, perPage);
    if (found.length > perPage) return { items, nextCursor: items.at(-1)?.jti ?? null };
    return {
      items,
      nextCursor: walks ? await this.lastExamined(manager, filter, after, now) : null,
    };
  }

  /** Where a walk stopped before the end of the ledger; null at the end. */
  private async lastExamined(
    manager: EntityManager,
    filter: TokenFilter,
    after: string | null,
    now: Date,
  ): Promise<string | null> {
    const [last] = await manager.query<{ jti: string }[]>(
      `SELECT jti FROM issued_tokens WHERE jti > $1 ORDER BY jti OFFSET ${MAX_EXAMINED - 1} LIMIT 1`,
      [startOf(filter, after, now)],
    );
    return last?.jti ?? null;
  }
}

function search(filter: TokenFilter, after: string | null, now: Date) {
  const { licenseId, instanceId, user, namespace, kid, live, revoked } = filter;
  const values: unknown[] = [];
  const parameter = (value: unknown) => `$${values.push(value)}`;
  const within = [`jti > ${parameter(startOf(filter, after, now))}`];
  if (instanceId !== null) within.push(`instance_id = ${parameter(instanceId)}`);
  if (licenseId !== null) within.push(ofLicense(parameter(licenseId)));
  if (revoked === true) within.push('revoked_at IS NOT NULL');
  const walks = within.length === 1;
  const also = ['true'];
  if (revoked === false) also.push('revoked_at IS NULL');
  if (user !== null) also.push(`self_issued->>'user' = ${parameter(user)}`);
  if (namespace !== null) also.push(`self_issued->>'namespace' = ${parameter(namespace)}`);
  if (kid !== null) also.push(`kid = ${parameter(kid)}`);
  if (live !== null) also.push(`expires_at ${live ? '>' : '<='} ${parameter(now)}`);
  // OFFSET 0 makes Postgres use the index of the filter instead of walking in the order of the page.
  const extent = walks ? `ORDER BY jti LIMIT ${MAX_EXAMINED}` : 'OFFSET 0';
  const sql = `
    SELECT ${COLUMNS} FROM (SELECT * FROM issued_tokens WHERE ${within.join(' AND ')} ${extent}) t
    WHERE ${also.join(' AND ')} ORDER BY jti`;
  return { sql, values, walks };
}

/** The ledger has an index by instance, and a license has few instances. */
export function ofLicense(parameter: string): string {
  return `instance_id = ANY (ARRAY(SELECT id FROM instances WHERE license_id = ${parameter}))`;
}

function startOf(filter: TokenFilter, after: string | null, now: Date): string {
  const first = filter.live === true ? firstLive(filter, now) : FIRST_JTI;
  return after !== null && after > first ? after : first;
}

function firstLive({ user, namespace }: TokenFilter, now: Date): string {
  return user === null && namespace === null ? firstLiveJti(now) : firstLiveSelfIssuedJti(now);
}
