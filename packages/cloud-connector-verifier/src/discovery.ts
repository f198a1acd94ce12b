import { type Fetch, fetchDocument, jsonObject } from './fetch-document.js';
import { MAX_DOCUMENT_BYTES } from './remote-keys.js';

/** An issuer whose tokens are accepted. */
export interface TrustedIssuer {
  /** Exactly as in `iss`: an https URL, or http on a loopback host. */
  readonly issuer: string;
  /** Other origins that may serve its keys and status lists. */
  readonly keyOrigins?: readonly string[];
  /** URL of the keys of its status lists; by default `{issuer}/oauth/discovery/auxiliary_keys`. */
  readonly auxiliaryKeysUri?: string;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** @throws TypeError for an issuer with an unsafe URL */
export function checkIssuer({ issuer, keyOrigins = [], auxiliaryKeysUri }: TrustedIssuer): void {
  const urls = [issuer, ...keyOrigins, ...(auxiliaryKeysUri ? [auxiliaryKeysUri] : [])];
  const bad = urls.find((url) => !isSafeUrl(url));
  if (bad) throw new TypeError(`${bad} is neither an https URL nor http on a loopback host`);
}

/** `openid-configuration` at the root of the origin, without the path of the issuer. */
export function discoveryUrl(issuer: string): string {
  return new URL('/.well-known/openid-configuration', issuer).href;
}

/** Whether `url` may serve documents of the issuer. */
export function speaksFor({ issuer, keyOrigins = [] }: TrustedIssuer, url: string): boolean {
  const origins = [issuer, ...keyOrigins].map((each) => new URL(each).origin);
  return isSafeUrl(url) && origins.includes(new URL(url).origin);
}

/** Finds the URL of an issuer's keys. Without a good discovery document the former URL is used. */
export function keyLocator(issuer: TrustedIssuer, fetch: Fetch, timeoutMs: number) {
  let former: string | null = null;
  return async (): Promise<string> => {
    try {
      former = await readJwksUri(issuer, fetch, timeoutMs);
    } catch (error) {
      if (former === null) throw error;
    }
    return former;
  };
}

async function readJwksUri(issuer: TrustedIssuer, fetch: Fetch, timeoutMs: number) {
  const url = discoveryUrl(issuer.issuer);
  const limits = { timeoutMs, maxBytes: MAX_DOCUMENT_BYTES, accept: 'application/json' };
  const document = jsonObject(await fetchDocument(fetch, url, limits), url);
  // OpenID Connect Discovery 1.0 section 4.3. Otherwise one issuer could pass for another.
  if (document['issuer'] !== issuer.issuer) throw new Error(`${url} is of another issuer`);
  const { jwks_uri } = document;
  if (typeof jwks_uri !== 'string' || !speaksFor(issuer, jwks_uri)) {
    throw new Error(`${url} has a jwks_uri of an origin that is not trusted`);
  }
  return jwks_uri;
}

function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username || password) return false;
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}
