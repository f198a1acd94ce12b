import { type CompactVerifyResult, compactVerify, type CryptoKey } from 'jose';
import { type BackendUser, backendUser } from './backend-user.js';
import { checkClaims, readClaims } from './claims.js';
import { type Clock, systemClock } from './clock.js';
import { type CompactToken, MAX_TOKEN_CHARACTERS, parseCompactToken } from './compact-token.js';
import { checkIssuer, keyLocator, type TrustedIssuer } from './discovery.js';
import type { Fetch } from './fetch-document.js';
import { refused, type Refused, TokenRefused } from './refusal.js';
import { type KeySetEvent, RemoteKeys } from './remote-keys.js';
import { bearerToken, mismatchOf, type RequestHeaders } from './request-headers.js';

/** What happens beside the verifying, for logs and metrics; nothing in it is of a token. */
export type VerifierEvent = KeySetEvent;

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
  /** Hears what happens to the keys. */
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
  readonly keys: ReadonlyMap<string, RemoteKeys>;
}

/**
 * A verifier of service access tokens, for as long as the backend runs.
 * @throws TypeError for options that could not be meant
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const audience = [options.audience].flat();
  const { leewaySeconds = 0, clock = systemClock } = options;
  if (audience.length === 0 || audience.includes('')) throw new TypeError('audience is empty');
  if (!(leewaySeconds >= 0 && leewaySeconds < Infinity)) throw new TypeError('leewaySeconds');
  const settings = { audience, leewaySeconds, clock, keys: keysOf(options, clock) };
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
      await Promise.all([...settings.keys.values()].map((keys) => keys.warmUp()));
    },
    state: () => [...settings.keys].map(([issuer, keys]) => ({ issuer, ...keys.state() })),
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
  const keys = settings.keys.get(claims.iss);
  if (!keys) throw new TokenRefused('ISSUER_UNKNOWN', 'the token is of an issuer not trusted here');
  await checkSignature(token, await keys.find(token.kid));
  checkClaims(claims, { ...settings, now: settings.clock() });
  const mismatch = headers && mismatchOf(claims, headers);
  return mismatch ?? { accepted: true, user: backendUser(claims) };
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

function keysOf(options: VerifierOptions, clock: Clock): ReadonlyMap<string, RemoteKeys> {
  const { timeoutMs = 5000, cooldownSeconds = 30, maxStaleSeconds = 604_800 } = options;
  const fetchAny: Fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const issuers = options.issuers.map((each) =>
    typeof each === 'string' ? { issuer: each } : each,
  );
  if (issuers.length === 0) throw new TypeError('issuers is empty');
  const keys = issuers.map((issuer: TrustedIssuer): [string, RemoteKeys] => {
    checkIssuer(issuer);
    return [
      issuer.issuer,
      new RemoteKeys({
        issuer: issuer.issuer,
        alg: 'RS256',
        locate: keyLocator(issuer, fetchAny, timeoutMs),
        fetch: fetchAny,
        clock,
        timeoutMs,
        cooldownMs: cooldownSeconds * 1000,
        maxStaleMs: maxStaleSeconds * 1000,
        onEvent: tell(options.onEvent),
      }),
    ];
  });
  if (new Set(keys.map(([name]) => name)).size < keys.length)
    throw new TypeError('an issuer twice');
  return new Map(keys);
}

/** A listener that fails must not fail a request. */
function tell(listener?: (event: VerifierEvent) => void) {
  return (event: VerifierEvent): void => {
    try {
      listener?.(event);
    } catch {
      // Its own affair.
    }
  };
}
