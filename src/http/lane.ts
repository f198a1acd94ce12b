/**
 * Who waits for an answer. `documents` are what validators and probes fetch: they never wait behind the others. `instances` sync, activate and report seats. `metrics` are for operators. `others` are admins, strangers and
 * status lists: each of their requests may ask the database.
 */
export type Lane = 'documents' | 'instances' | 'metrics' | 'others';

const INSTANCE_PATHS = new Set(['/graphql', '/api/v1/seat_links']);
const METRICS_PATH = '/-/metrics';
const DOCUMENT_PATH = /^\/(?:\.well-known\/|oauth\/discovery\/|-\/(?:liveness|readiness)$)/;

export function laneOf(url: string): Lane {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  if (INSTANCE_PATHS.has(path)) return 'instances';
  if (path === METRICS_PATH) return 'metrics';
  return DOCUMENT_PATH.test(path) ? 'documents' : 'others';
}
