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
   * The instant from which the instance has no token that a validator takes if nothing changes; in
   * the past when it has lost it already, null when it has never had one.
   */
  readonly losesServiceAt: Date | null;
  readonly liveTokens: number;
  /** How many of them carry scopes that the next token would not. */
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
 * How an instance stands at `now`. A revoked token counts like any other until it expires: validators
 * that read no status list take it. What ends it sooner is a sync that is answered with null.
 * @param live the tokens that have not expired at `now` and whose key is published
 * @param newestJti of the last token that was handed out, expired or not
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
  // Without any, its last one has expired, or lost its key.
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

/** The order of a sync: revoked tokens win over a denial. */
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
  // That sync makes the instance delete what it has.
  if (entitled.tokensRevoked) return asksAt < validUntil ? asksAt : validUntil;
  if (denialAt(entitled, asksAt) !== null || validUntil < asksAt) return validUntil;
  // Renewed until the license's grace is over, which no token outlives unless its end was moved.
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
