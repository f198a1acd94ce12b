import { pathOf } from './usual-url.js';

/**
 * Requests of different lanes do not wait for each other. `documents`: validators and probes; they never wait.
 * `instances`: syncs, activations and seat links. `metrics`: operators. `others`: admins, strangers and status
 * lists, whose requests may use the database.
 */
export type Lane = 'documents' | 'instances' | 'metrics' | 'others';

const INSTANCE_PATHS = new Set(['/graphql', '/api/v1/seat_links']);
const METRICS_PATH = '/-/metrics';
const DOCUMENT_PATH = /^\/(?:\.well-known\/|oauth\/discovery\/|-\/(?:liveness|readiness)$)/;

export function laneOf(url: string): Lane {
  const path = pathOf(url);
  if (INSTANCE_PATHS.has(path)) return 'instances';
  if (path === METRICS_PATH) return 'metrics';
  return DOCUMENT_PATH.test(path) ? 'documents' : 'others';
}
