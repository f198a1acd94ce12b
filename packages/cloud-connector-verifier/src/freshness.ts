/** How long an answer may be used, in seconds. */
export interface Freshness {
  /** `Cache-Control: max-age`; 0 where it must not be kept or is unreadable, null without one. */
  readonly maxAgeSeconds: number | null;
  /** How long ago the issuer made the answer: a cache on the way says so in `Age`. */
  readonly ageSeconds: number;
}

/** RFC 9111 section 1.2.2: a cache counts a larger number as this one. */
const LONGEST_SECONDS = 2 ** 31;

/**
 * Reads the headers as a private cache does (RFC 9111 section 4.2): `s-maxage` is for shared caches. `Expires`
 * is not read.
 */
export function freshnessOf(headers: Pick<Headers, 'get'>): Freshness {
  // Section 5.1: of several values the first counts, and an invalid one is ignored.
  const [age = ''] = (headers.get('age') ?? '').split(',');
  return {
    maxAgeSeconds: maxAgeOf(headers.get('cache-control') ?? ''),
    ageSeconds: deltaSeconds(age) ?? 0,
  };
}

function maxAgeOf(cacheControl: string): number | null {
  const directives = cacheControl.toLowerCase().split(',');
  if (directives.some((directive) => /^\s*(no-store|no-cache)\b/.test(directive))) return 0;
  const values = directives.map((directive) => /^\s*max-age\s*=(.*)$/.exec(directive)?.[1]);
  const first = values.find((value) => value !== undefined);
  if (first === undefined) return null;
  // Section 4.2.1: an answer with an invalid max-age counts as stale. Section 5.2: quotes are accepted.
  return deltaSeconds(first.replace(/^\s*"(.*)"\s*$/, '$1')) ?? 0;
}

function deltaSeconds(text: string): number | null {
  const digits = /^\s*(\d+)\s*$/.exec(text)?.[1];
  return digits === undefined ? null : Math.min(Number(digits), LONGEST_SECONDS);
}
