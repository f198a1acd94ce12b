import type { Fetch } from './environment-proxy.js';
import { fetchDocument, jsonObject } from './fetch-document.js';
import { MAX_DOCUMENT_BYTES } from './remote-keys.js';

/** An issuer whose tokens are accepted. */
export interface TrustedIssuer {
  /** As in `iss`, with or without a slash at the end: an https URL, or http on a loopback host. */
  readonly issuer: string;
  /** Other origins that may serve its keys and status lists. */
  readonly keyOrigins?: readonly string[];
  /** URL of the keys of its status lists; by default `{issuer}/oauth/discovery/auxiliary_keys`. */
  readonly auxiliaryKeysUri?: string;
}

const LONGEST_QUOTE = 200;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** `iss` without the slash that some write at its end. The two forms name the same issuer. */
export function issuerName(iss: string): string {
  return iss.replace(/\/$/, '');
}

/** An issuer as somebody configured it, in the form of `issuerName`. */
export function configuredIssuer(text: string): string {
  return text.trim().replace(/\/+$/, '');
}

/** Whether two people who write these mean one issuer: case of the host, default port and slashes do not count. */
export function isSameIssuer(one: string, other: string): boolean {
  const [name, otherName] = [one, other].map((text) =>
    configuredIssuer(URL.canParse(text) ? new URL(text).href : text),
  );
  return name === otherName;
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
  const { issuer: named, jwks_uri } = document;
  if (typeof named !== 'string' || issuerName(named) !== issuerName(issuer.issuer)) {
    const text = JSON.stringify(named ?? null).slice(0, LONGEST_QUOTE);
    throw new Error(`${url} is of another issuer: it names ${text}`);
  }
  if (typeof jwks_uri !== 'string' || !speaksFor(issuer, jwks_uri)) {
    throw new Error(`${url} has a jwks_uri of an origin that is not trusted`);
  }
  return jwks_uri;
}

/** https, or http on a loopback host; no user and no password. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username || password) return false;
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}
