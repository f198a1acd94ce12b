import { EXTRA_CLAIM_NAMES, extraClaimFault } from './extra-claims.js';
import { SELF_ISSUED_TTL_SECONDS } from './self-issued-token-claims.js';
import { MAX_TTL_SECONDS, type TokenPolicy } from './service-token-claims.js';
import { isUuid } from './uuid.js';

/**
 * A token travels in a header line. nginx and Apache accept 8 KiB at most; Node accepts 16 KiB, Envoy and
 * Puma more. 5632 bytes become 7510 characters of Base64; header, signature and `Authorization:
 * Bearer` add less than 500. A catalog of 61 unit primitives needs a third of it.
 */
export const MAX_PAYLOAD_BYTES = 5632;

const JTI = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

type Claims = Readonly<Record<string, unknown>>;
type Rule = (claims: Claims, policy: TokenPolicy, nowSeconds: number) => boolean;

type Rules = Readonly<Record<string, readonly [rule: Rule, fault: string]>>;

const DATED_BACK = 'is not the second of issue, dated back by the configured skew';

/** The rules for the claims of any token. */
const COMMON_RULES: Rules = {
  iss: [({ iss }, { issuer }) => iss === issuer && issuer !== '', 'is not the issuer URL'],
  aud: [
    ({ aud, iss }) => isSortedSet(aud) && !aud.includes(String(iss)),
    'is not a sorted list of distinct audiences without the issuer among them',
  ],
  sub: [({ sub }) => typeof sub === 'string' && isUuid(sub), 'is not the UUID of an instance'],
  iat: [({ iat }, policy, now) => iat === datedBack(policy, now), DATED_BACK],
  nbf: [({ nbf }, policy, now) => nbf === datedBack(policy, now), DATED_BACK],
  exp: [expiresInTime, 'is not a second after the issue within the configured lifetime'],
  jti: [isUuidOfNow, 'is not a UUID of version 7 of this second'],
  scopes: [({ scopes }) => isSortedSet(scopes), 'is not a sorted list of distinct names'],
};

/** A claim that has no rule is refused. */
const SERVICE_TOKEN_RULES: Rules = {
  ...COMMON_RULES,
  gitlab_realm: [({ gitlab_realm }) => gitlab_realm === 'self-managed', 'is not self-managed'],
  gitlab_instance_uid: [
    ({ gitlab_instance_uid: uid }) => typeof uid === 'string' && uid !== '',
    'is not a text',
  ],
};

const SELF_ISSUED_RULES: Rules = {
  ...COMMON_RULES,
  gitlab_realm: [({ gitlab_realm }) => gitlab_realm === 'saas', 'is not saas'],
};

/** May be absent. Draft-ietf-oauth-status-list section 6.1. */
const STATUS = 'status';

/**
 * Checks claims before they are signed: their presence, types and bounds, and that there are no others.
 * A fault is a bug of ours, or comes from a catalog that is too large for a token.
 * @param payloadBytes the size of the claims as JSON, if the caller knows it
 * @returns one sentence for each fault, which names the claim but no value; empty when there is none
 */
export function serviceTokenFaults(
  claims: object,
  policy: TokenPolicy,
  now: Date,
  payloadBytes = Buffer.byteLength(JSON.stringify(claims)),
): string[] {
  return faultsOf(claims as Claims, SERVICE_TOKEN_RULES, policy, now, payloadBytes);
}

/** The same for a self-issued token: realm saas, an hour at most, and only claims that may be added. */
export function selfIssuedTokenFaults(
  claims: object,
  policy: TokenPolicy,
  now: Date,
  payloadBytes = Buffer.byteLength(JSON.stringify(claims)),
): string[] {
  const [own, extra] = [{ ...claims } as Record<string, unknown>, [] as string[]];
  for (const name of EXTRA_CLAIM_NAMES) {
    if (!(name in own)) continue;
    const fault = extraClaimFault(name, own[name]);
    if (fault !== null) extra.push(`${name} ${fault}`);
    Reflect.deleteProperty(own, name);
  }
  const terms = { ...policy, ttlSeconds: SELF_ISSUED_TTL_SECONDS };
  return [...faultsOf(own, SELF_ISSUED_RULES, terms, now, payloadBytes), ...extra];
}

function faultsOf(
  given: Claims,
  rules: Rules,
  policy: TokenPolicy,
  now: Date,
  payloadBytes: number,
): string[] {
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const faults: string[] = [];
  for (const [claim, [holds, fault]] of Object.entries(rules)) {
    if (!holds(given, policy, nowSeconds)) faults.push(`${claim} ${fault}`);
  }
  for (const claim of Object.keys(given)) {
    if (!Object.hasOwn(rules, claim) && claim !== STATUS)
      faults.push(`${claim} is not a known claim`);
  }
  if (STATUS in given && !isStatus(given[STATUS])) {
    faults.push('status is not a place in a status list');
  }
  if (payloadBytes > MAX_PAYLOAD_BYTES) {
    faults.push(`the payload has ${payloadBytes} bytes, more than ${MAX_PAYLOAD_BYTES}`);
  }
  return faults;
}

function isSortedSet(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every(
    (item: unknown, index) =>
      typeof item === 'string' && item !== '' && (index === 0 || String(value[index - 1]) < item),
  );
}

function datedBack({ notBeforeSkewSeconds }: TokenPolicy, nowSeconds: number): number {
  return nowSeconds - notBeforeSkewSeconds;
}

function expiresInTime({ exp }: Claims, { ttlSeconds }: TokenPolicy, nowSeconds: number): boolean {
  if (typeof exp !== 'number' || !Number.isInteger(exp)) return false;
  return exp > nowSeconds && exp - nowSeconds <= Math.min(ttlSeconds, MAX_TTL_SECONDS);
}

/** Its first 48 bits are its millisecond (RFC 9562 section 5.7), by which the ledger finds its day. */
function isUuidOfNow({ jti }: Claims, _policy: TokenPolicy, nowSeconds: number): boolean {
  if (typeof jti !== 'string' || !JTI.test(jti)) return false;
  return Math.floor(Number.parseInt(jti.slice(0, 8) + jti.slice(9, 13), 16) / 1000) === nowSeconds;
}

function isStatus(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('status_list' in value)) return false;
  const { status_list: list, ...besides } = value;
  if (Object.keys(besides).length > 0 || typeof list !== 'object' || list === null) return false;
  const { idx, uri, ...others } = list as Claims;
  if (Object.keys(others).length > 0 || typeof uri !== 'string') return false;
  return Number.isSafeInteger(idx) && Number(idx) >= 0 && /^https?:\/\/[^\s]+$/.test(uri);
}
