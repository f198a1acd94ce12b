import { type CompactVerifyResult, compactVerify, type CryptoKey } from 'jose';
import { type BackendUser, backendUser } from './backend-user.js';
import { checkOptions } from './check-options.js';
import { checkClaims, readClaims } from './claims.js';
import { type Clock, systemClock } from './clock.js';
import { type CompactToken, MAX_TOKEN_CHARACTERS, parseCompactToken } from './compact-token.js';
import type { TrustedIssuer } from './discovery.js';
import type { Fetch } from './fetch-document.js';
import { refused, type Refused, TokenRefused } from './refusal.js';
import { type IssuerSources, issuerSources, type VerifierEvent } from './issuer-sources.js';
import { bearerToken, mismatchOf, type RequestHeaders } from './request-headers.js';

export interface VerifierOptions {
  /** Those whose tokens are accepted; a string is the issuer URL, exactly as in `iss`. */
  readonly issuers: readonly (string | TrustedIssuer)[];
  /** The `jwt_aud` of this backend (any one of several). */
  readonly audience: string | readonly string[];
  /** What tells the time; by default the wall clock. */
  readonly clock?: Clock;
  /** What fetches keys; by default the global `fetch`. */
  readonly fetch?: Fetch;
  /** How far clocks may be apart when `exp` and `nbf` are looked at; 0 by default, as at the AI gateway. */
  readonly leewaySeconds?: number;
  /** How long one fetch may take; 5,000 by default. */
  readonly timeoutMs?: number;
  /** The shortest time between two fetches of an issuer's keys; 30 by default. */
  readonly cooldownSeconds?: number;
  /** How long keys are used while the issuer is away; 7 days by default. */
  readonly maxStaleSeconds?: number;
  /** Whether the status lists that tokens refer to are looked at; false by default. */
  readonly statusList?: boolean;
  /** What becomes of a token whose status list can't be had; `accept` (with an event) by default. */
  readonly whenStatusUnavailable?: 'accept' | 'refuse';
  /** Hears what happens to keys and status lists. */
  readonly onEvent?: (event: VerifierEvent) => void;
}

export interface Accepted {
  readonly accepted: true;
  readonly user: BackendUser;
}

export type Verdict = Accepted | Refused;

/** What is known of an issuer at the moment. */
export interface IssuerState {
  readonly issuer: string;
  readonly kids: readonly string[];
  readonly fetchedAt: Date | null;
}

export interface Verifier {
  /**
   * Judges a request by its headers, or a bare token. With a token there are no headers to be
   * compared with it.
   * @returns a verdict; it never rejects
   */
  verify(request: RequestHeaders | string): Promise<Verdict>;
  /** Fetches the keys of every issuer, so that the first request need not wait; never rejects. */
  warmUp(): Promise<void>;
  /** The keys at hand, per issuer. */
  state(): readonly IssuerState[];
}

interface Settings {
  readonly audience: readonly string[];
  readonly leewaySeconds: number;
  readonly clock: Clock;
  readonly sources: ReadonlyMap<string, IssuerSources>;
}

/**
 * A verifier of service access tokens, for as long as the backend runs.
 * @throws TypeError for options that could not be meant
 */
export function createVerifier(options: VerifierOptions): Verifier {
  checkOptions(options);
  const audience = [options.audience].flat();
  const { leewaySeconds = 0, clock = systemClock } = options;
  const settings = { audience, leewaySeconds, clock, sources: sourcesOf(options, clock) };
  return {
    verify: async (request) => {
      const token = typeof request === 'string' ? request : bearerToken(request);
      if (typeof token !== 'string') return token;
      const headers = typeof request === 'string' ? null : request;
      try {
        return await judge(token, headers, settings);
      } catch (error) {
        if (error instanceof TokenRefused) return refused(error.code, error.message);
        throw error;
      }
    },
    warmUp: async () => {
      await Promise.all([...settings.sources.values()].map(({ keys }) => keys.warmUp()));
    },
    state: () => [...settings.sources].map(([issuer, { keys }]) => ({ issuer, ...keys.state() })),
  };
}

async function judge(
  compact: string,
  headers: RequestHeaders | null,
  settings: Settings,
): Promise<Verdict> {
  const profile = { typ: 'JWT', alg: 'RS256', maxCharacters: MAX_TOKEN_CHARACTERS };
  const token = parseCompactToken(compact, profile);
  const claims = readClaims(token.payload);
  const sources = settings.sources.get(claims.iss);
  if (!sources)
    throw new TokenRefused('ISSUER_UNKNOWN', 'the token is of an issuer not trusted here');
  await checkSignature(token, await sources.keys.find(token.kid));
  checkClaims(claims, { ...settings, now: settings.clock() });
  const mismatch = headers && mismatchOf(claims, headers);
  if (mismatch) return mismatch;
  await sources.statusLists?.check(claims['status']);
  return { accepted: true, user: backendUser(claims) };
}

async function checkSignature(
  { compact }: CompactToken,
  key: CryptoKey | null | undefined,
): Promise<CompactVerifyResult> {
  if (key === undefined) {
    throw new TokenRefused('KEYS_UNAVAILABLE', 'the keys of the issuer can not be had');
  }
  if (key === null) {
    throw new TokenRefused('KEY_UNKNOWN', 'the issuer publishes no key with this kid');
  }
  try {
    return await compactVerify(compact, key, { algorithms: ['RS256'] });
  } catch {
    throw new TokenRefused('SIGNATURE_INVALID', 'the signature is not of the key that it names');
  }
}

function sourcesOf(options: VerifierOptions, clock: Clock): ReadonlyMap<string, IssuerSources> {
  const issuers = options.issuers.map(asTrusted);
  const names = new Set(issuers.map(({ issuer }) => issuer));
  if (names.size < issuers.length) throw new TypeError('an issuer is given twice');
  const how = {
    clock,
    fetch: options.fetch ?? ((input: string, init?: RequestInit) => fetch(input, init)),
    timeoutMs: options.timeoutMs ?? 5000,
    cooldownSeconds: options.cooldownSeconds ?? 30,
    maxStaleSeconds: options.maxStaleSeconds ?? 604_800,
    statusList: options.statusList ?? false,
    whenStatusUnavailable: options.whenStatusUnavailable ?? 'accept',
    onEvent: tell(options.onEvent),
  };
  return new Map(issuers.map((issuer) => [issuer.issuer, issuerSources(issuer, how)]));
}

function asTrusted(issuer: string | TrustedIssuer): TrustedIssuer {
  return typeof issuer === 'string' ? { issuer } : issuer;
}

/** A listener that fails, at once or later, must not fail a request. */
function tell(listener?: (event: VerifierEvent) => unknown) {
  return (event: VerifierEvent): void => {
    try {
      Promise.resolve(listener?.(event)).catch(() => undefined);
    } catch {
      // Its own affair.
    }
  };
}
