/** The routes of instances, validators and probes. */
const SQUEEZED =
  /^\/(?:graphql|api\/v1\/seat_links|\.well-known\/.+|oauth\/discovery\/.+|status\/.+|-\/(?:liveness|readiness))$/;
/** Repeated slashes, or one at the end. */
const EXTRA_SLASHES = /\/(?=\/)|\/+$/g;

/**
 * The URL without the extra slashes of a base URL that ends with one. GitLab builds
 * `"#{base}/graphql"`, and people configure the base. Only for routes of instances, validators and probes:
 * in an admin's URL an empty part is a mistake, such as an empty variable of a script.
 */
export function usualUrl(url: string): string {
  const path = pathOf(url);
  if (!path.includes('//') && !path.endsWith('/')) return url;
  const squeezed = path.replace(EXTRA_SLASHES, '');
  return SQUEEZED.test(squeezed) ? squeezed + url.slice(path.length) : url;
}

/** The part before the query, as the router takes it. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}
