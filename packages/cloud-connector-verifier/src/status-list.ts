import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { compactVerify } from 'jose';
import type { Clock } from './clock.js';
import { parseCompactToken } from './compact-token.js';
import { speaksFor, type TrustedIssuer } from './discovery.js';
import type { Fetch } from './environment-proxy.js';
import { fetchDocument } from './fetch-document.js';
import type { RemoteKeys } from './remote-keys.js';
import { isObject, type JsonObject } from './strict-json.js';

/** The place of a token in a status list (draft-ietf-oauth-status-list section 6.2). */
export interface StatusReference {
  readonly idx: number;
  readonly uri: string;
}

/** A list as it was fetched and verified. */
export interface StatusList {
  /** 0 is VALID (section 7.1); undefined past its end. */
  statusAt(idx: number): number | undefined;
  readonly expiresAtMs: number;
  readonly freshUntilMs: number;
}

const CONTENT_TYPE = 'application/statuslist+jwt';
const MAX_LIST_BYTES = 2_097_152;
const MAX_INFLATED_BYTES = 4_194_304;
const MIN_TTL_SECONDS = 10;
const MAX_TTL_SECONDS = 3600;
const DEFAULT_TTL_SECONDS = 300;

const inflateBytes = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflate);

/** @returns null when the claim does not refer to a list of that issuer; undefined without the claim */
export function statusReference(
  status: unknown,
  issuer: TrustedIssuer,
): StatusReference | null | undefined {
  if (status === undefined) return undefined;
  const reference = isObject(status) ? status['status_list'] : undefined;
  if (!isObject(reference)) return null;
  const { idx, uri } = reference;
  if (!Number.isSafeInteger(idx) || Number(idx) < 0 || typeof uri !== 'string') return null;
  return speaksFor(issuer, uri) ? { idx: Number(idx), uri } : null;
}

export interface StatusListSource {
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The keys of status lists. They are never those of service tokens. */
  readonly keys: RemoteKeys;
}

/** @throws Error with the reason why the list cannot be used */
export async function fetchStatusList(uri: string, source: StatusListSource): Promise<StatusList> {
  const { fetch, clock, timeoutMs, keys } = source;
  const limits = { timeoutMs, maxBytes: MAX_LIST_BYTES, accept: CONTENT_TYPE };
  const { bytes, contentType, freshness } = await fetchDocument(fetch, uri, limits);
  if (contentType !== CONTENT_TYPE) throw new Error(`${uri} answers with ${contentType}`);
  const profile = { typ: 'statuslist+jwt', alg: 'ES256', maxCharacters: MAX_LIST_BYTES };
  const token = parseCompactToken(Buffer.from(bytes).toString('latin1'), profile);
  const key = await keys.find(token.kid);
  if (!key) throw new Error(`${uri} is signed with an unpublished key`);
  await compactVerify(token.compact, key, { algorithms: [profile.alg] });
  if (token.payload['sub'] !== uri) throw new Error(`${uri} is the list of another address`);
  return readList(token.payload, uri, { nowMs: clock().getTime(), ...freshness });
}

async function readList(
  claims: JsonObject,
  uri: string,
  { nowMs, ageSeconds }: { readonly nowMs: number; readonly ageSeconds: number },
): Promise<StatusList> {
  const { iat, exp, ttl = DEFAULT_TTL_SECONDS, status_list } = claims;
  if (!Number.isSafeInteger(iat)) throw new Error(`${uri} has no usable iat`);
  if (exp !== undefined && !Number.isSafeInteger(exp)) throw new Error(`${uri} has no usable exp`);
  if (typeof ttl !== 'number' || !(ttl > 0)) throw new Error(`${uri} has no usable ttl`);
  const expiresAtMs = exp === undefined ? Infinity : Number(exp) * 1000;
  if (nowMs >= expiresAtMs) throw new Error(`${uri} answers with a list that has expired`);
  if (!isObject(status_list)) throw new Error(`${uri} has no status_list`);
  const { bits, lst } = status_list;
  if (![1, 2, 4, 8].includes(Number(bits)) || typeof lst !== 'string') {
    throw new Error(`${uri} has no usable status_list`);
  }
  const compressed = Buffer.from(lst, 'base64url');
  const bytes = await inflateBytes(compressed, { maxOutputLength: MAX_INFLATED_BYTES });
  // A cache on the way has already used a part of ttl.
  const seconds = Math.min(Math.max(ttl - ageSeconds, MIN_TTL_SECONDS), MAX_TTL_SECONDS);
  return {
    statusAt: (idx) => statusAt(bytes, Number(bits), idx),
    expiresAtMs,
    freshUntilMs: nowMs + seconds * 1000,
  };
}

/** The first token has the lowest bits of the first byte (section 4.1). */
function statusAt(bytes: Uint8Array, bits: number, idx: number): number | undefined {
  const perByte = 8 / bits;
  const byte = bytes[Math.floor(idx / perByte)];
  return byte === undefined ? undefined : (byte >> ((idx % perByte) * bits)) & (2 ** bits - 1);
}
