import { type CompactVerifyResult, compactVerify, type CryptoKey } from 'jose';
import { type BackendUser, backendUser } from './backend-user.js';
import { type CheckedOptions, checkedOptions } from './check-options.js';
import { checkClaims, readClaims } from './claims.js';
import { type Clock, systemClock } from './clock.js';
import { type CompactToken, MAX_TOKEN_CHARACTERS, parseCompactToken } from './compact-token.js';
import { issuerName } from './discovery.js';
import { fetchByEnvironment } from './environment-proxy.js';
import { refused, type Refused, TokenRefused } from './refusal.js';
import { type IssuerSources, issuerSources, type VerifierEvent } from './issuer-sources.js';
import { bearerToken, mismatchOf, type RequestHeaders } from './request-headers.js';
import type { VerifierOptions } from './verifier-options.js';

export interface Accepted {
  readonly accepted: true;
  readonly user: BackendUser;
}

export type Verdict = Accepted | Refused;

/** The keys of one issuer at the moment. */
export interface IssuerState {
  readonly issuer: string;
  readonly kids: readonly string[];
  readonly fetchedAt: Date | null;
}

export interface Verifier {
  /**
   * Verifies the headers of a request, or only a token. A token alone cannot be compared with headers.
   * @returns a verdict; it never rejects
   */
  verify(request: RequestHeaders | string): Promise<Verdict>;
  /** Fetches the keys of all issuers, so that the first request does not wait. It never rejects. */
  warmUp(): Promise<void>;
  /** The present keys of each issuer. */
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
 * @throws TypeError for wrong options
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const checked = checkedOptions(options);
  const { audience, leewaySeconds = 0, clock = systemClock } = checked;
  const settings = { audience, leewaySeconds, clock, sources: sourcesOf(checked, clock) };
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
  const issuer = issuerName(claims.iss);
  const sources = settings.sources.get(issuer);
  if (!sources)
    throw new TokenRefused('ISSUER_UNKNOWN', 'the issuer of the token is not trusted here');
  await checkSignature(token, await sources.keys.find(token.kid));
  checkClaims(claims, { ...settings, now: settings.clock() });
  const mismatch = headers && mismatchOf(claims, headers);
  if (mismatch) return mismatch;
  await sources.statusLists?.check(claims['status']);
  return { accepted: true, user: backendUser(claims, issuer) };
}

async function checkSignature(
  { compact }: CompactToken,
  key: CryptoKey | null | undefined,
): Promise<CompactVerifyResult> {
  if (key === undefined) {
    throw new TokenRefused('KEYS_UNAVAILABLE', 'the keys of the issuer are not available');
  }
  if (key === null) {
    throw new TokenRefused('KEY_UNKNOWN', 'the issuer publishes no key with this kid');
  }
  try {
    return await compactVerify(compact, key, { algorithms: ['RS256'] });
  } catch {
    throw new TokenRefused('SIGNATURE_INVALID', 'the signature does not fit the key of the token');
  }
}

function sourcesOf(options: CheckedOptions, clock: Clock): ReadonlyMap<string, IssuerSources> {
  const how = {
    clock,
    fetch: options.fetch ?? fetchByEnvironment(options.issuers.map(({ issuer }) => issuer)),
    timeoutMs: options.timeoutMs ?? 5000,
    cooldownSeconds: options.cooldownSeconds ?? 30,
    maxStaleSeconds: options.maxStaleSeconds ?? 604_800,
    statusList: options.statusList ?? false,
    whenStatusUnavailable: options.whenStatusUnavailable ?? 'accept',
    onEvent: withoutFailing(options.onEvent),
  };
  return new Map(options.issuers.map((issuer) => [issuer.issuer, issuerSources(issuer, how)]));
}

/** A listener that throws or rejects must not fail a request. */
function withoutFailing(listener?: (event: VerifierEvent) => unknown) {
  return (event: VerifierEvent): void => {
    try {
      Promise.resolve(listener?.(event)).catch(() => undefined);
    } catch {
      // Ignored.
    }
  };
}
