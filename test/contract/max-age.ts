/** Seconds for which caches may keep an answer that anybody may keep; throws at another header. */
export function maxAgeOf(response: Response): number {
  const header = response.headers.get('cache-control') ?? '';
  const [, seconds] = /^public, max-age=(\d+)$/.exec(header) ?? [];
  if (seconds === undefined) throw new Error(`this is not to be cached as it should: "${header}"`);
  return Number(seconds);
}
