/** The routes of instances, validators and probes. */
const SQUEEZED =
  /^\/(?:graphql|api\/v1\/seat_links|\.well-known\/.+|oauth\/discovery\/.+|status\/.+|-\/(?:liveness|readiness))$/;
/** Repeated slashes, or one at the end. */
const EXTRA_SLASHES = /\/(?=\/)|\/+$/g;

/** What clients of a forward proxy write before the path: RFC 9112 section 3.2.2 tells servers to accept it. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;
/** Escapes of characters that need none (RFC 3986 section 6.2.2.2). The router reads them as these characters. */
const NEEDLESS_ESCAPE = /%(?:2[DE]|3\d|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/gi;

/**
 * The URL as most clients would write it, so that gates, the faces of errors and the router read the same path.
 * Extra slashes come from people who configure a base URL: GitLab builds `"#{base}/graphql"`. They are taken off
 * only for routes of instances, validators and probes: in an admin's URL an empty part is a mistake, such as an
 * empty variable of a script.
 */
export function usualUrl(given: string): string {
  const url = withoutOrigin(given);
  const sent = pathOf(url);
  const rest = url.slice(sent.length);
  const path = sent.includes('%') ? sent.replace(NEEDLESS_ESCAPE, decodeURIComponent) : sent;
  if (!path.includes('//') && !path.endsWith('/')) return path + rest;
  const squeezed = path.replace(EXTRA_SLASHES, '');
  return (SQUEEZED.test(squeezed) ? squeezed : path) + rest;
}

function withoutOrigin(url: string): string {
  const origin = ORIGIN.exec(url)?.[0];
  if (origin === undefined) return url;
  const local = url.slice(origin.length);
  return local.startsWith('/') ? local : `/${local}`;
}

/** The part before the query, as the router takes it. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}
