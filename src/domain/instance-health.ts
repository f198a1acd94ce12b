import { denialOf, graceEndsAt, type License, type LicenseDenial } from './license.js';
import { isSyncOverdue, nextSyncDueAt, type SyncRecord } from './next-sync.js';

/** A token in the ledger that has not expired, and whose key is still published. */
export interface LiveToken {
  readonly jti: string;
  /** Sorted. */
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
}

/** What decides about a sync at this moment. */
export interface Entitled {
  readonly license: License;
  /** The scopes that plan, purchases and catalog unlock for the instance's version; sorted. */
  readonly scopes: readonly string[];
  /** Whether the tokens of the license or the instance were revoked and not restored. */
  readonly tokensRevoked: boolean;
}

export const INSTANCE_STATES = ['ok', 'sync_overdue', 'denied', 'no_token'] as const;
export type InstanceState = (typeof INSTANCE_STATES)[number];

/** The reason why the next sync would bring no token. */
export type SyncDenial = LicenseDenial | 'TOKENS_REVOKED' | 'NOTHING_TO_GRANT';

export interface InstanceHealth {
  readonly state: InstanceState;
  readonly denial: SyncDenial | null;
  readonly nextSyncDueAt: Date | null;
  /**
   * When the instance loses its last token that validators accept, if nothing changes. In the past when
   * that has happened; null when it has never had a token.
   */
  readonly losesServiceAt: Date | null;
  readonly liveTokens: number;
  /** How many of them have scopes that the next token will not have. */
  readonly liveTokensWithExcessScopes: number;
  /** All those scopes, sorted. */
  readonly excessScopes: readonly string[];
  /** When the last of those tokens expires; null without any. */
  readonly excessScopesUntil: Date | null;
  readonly newest: NewestToken | null;
}

export interface NewestToken extends LiveToken {
  readonly excessScopes: readonly string[];
  /** Scopes that the next token will have and the newest one lacks. */
  readonly missingScopes: readonly string[];
}

/**
 * The health of an instance at `now`. A revoked token counts until it expires, because validators without
 * status lists accept it. The token counts for less time only after a sync was answered with null.
 * @param live the tokens that have not expired at `now` and whose key is published
 * @param newestJti the last token that was issued, expired or not
 */
export function instanceHealth(
  record: SyncRecord,
  live: readonly LiveToken[],
  newestJti: string | null,
  entitled: Entitled,
  now: Date,
): InstanceHealth {
  const denial = denialAt(entitled, now);
  const granted = new Set(denial === null ? entitled.scopes : []);
  const tooMuch = live.flatMap((token) => {
    const scopes = token.scopes.filter((scope) => !granted.has(scope));
    return scopes.length === 0 ? [] : [{ scopes, expiresAt: token.expiresAt }];
  });
  const dueAt = nextSyncDueAt(record, entitled.license.kind);
  // Without a live token: the last one has expired, or its key was unpublished.
  const validUntil =
    lastOf(live.map(({ expiresAt }) => expiresAt)) ?? earlier(record.tokenExpiresAt, now);
  return {
    state: stateOf(denial, validUntil, dueAt, now),
    denial,
    nextSyncDueAt: dueAt,
    losesServiceAt: losesServiceAt(entitled, validUntil, dueAt, now),
    liveTokens: live.length,
    liveTokensWithExcessScopes: tooMuch.length,
    excessScopes: [...new Set(tooMuch.flatMap(({ scopes }) => scopes))].sort(),
    excessScopesUntil: lastOf(tooMuch.map(({ expiresAt }) => expiresAt)),
    newest: newestOf(live, newestJti, granted),
  };
}

/** In the order of a sync: revoked tokens come before a denial. */
function denialAt({ license, scopes, tokensRevoked }: Entitled, at: Date): SyncDenial | null {
  if (tokensRevoked) return 'TOKENS_REVOKED';
  return denialOf(license, at) ?? (scopes.length === 0 ? 'NOTHING_TO_GRANT' : null);
}

function stateOf(
  denial: SyncDenial | null,
  validUntil: Date | null,
  dueAt: Date | null,
  now: Date,
): InstanceState {
  if (denial !== null) return 'denied';
  if (validUntil === null || validUntil <= now) return 'no_token';
  return isSyncOverdue(dueAt, now) ? 'sync_overdue' : 'ok';
}

function losesServiceAt(
  entitled: Entitled,
  validUntil: Date | null,
  dueAt: Date | null,
  now: Date,
): Date | null {
  if (validUntil === null || validUntil <= now) return validUntil;
  if (dueAt === null || isSyncOverdue(dueAt, now)) return validUntil;
  const asksAt = dueAt > now ? dueAt : now;
  // After that sync the instance deletes its tokens.
  if (entitled.tokensRevoked) return asksAt < validUntil ? asksAt : validUntil;
  if (denialAt(entitled, asksAt) !== null || validUntil < asksAt) return validUntil;
  // It is renewed until the grace ends. A token outlives the grace only when the license was shortened.
  return lastOf([validUntil, graceEndsAt(entitled.license)]);
}

function newestOf(
  live: readonly LiveToken[],
  jti: string | null,
  granted: ReadonlySet<string>,
): NewestToken | null {
  const newest = live.find((token) => token.jti === jti);
  if (!newest) return null;
  const has = new Set(newest.scopes);
  return {
    ...newest,
    excessScopes: newest.scopes.filter((scope) => !granted.has(scope)),
    missingScopes: [...granted].filter((scope) => !has.has(scope)),
  };
}

function lastOf(instants: readonly Date[]): Date | null {
  return instants.reduce<Date | null>(
    (last, instant) => (last === null || instant > last ? instant : last),
    null,
  );
}

function earlier(instant: Date | null, now: Date): Date | null {
  return instant !== null && instant > now ? now : instant;
}
