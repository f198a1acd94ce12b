/**
 * Who waits for an answer. `documents` are what validators and probes fetch: they are answered from memory and
 * never wait behind the others. `instances` sync, activate and report seats. `admins` are everybody else.
 */
export type Lane = 'documents' | 'instances' | 'admins';

const INSTANCE_PATHS = new Set(['/graphql', '/api/v1/seat_links']);
const DOCUMENT_PATH = /^\/(?:\.well-known\/|oauth\/discovery\/|status\/|-\/)/;

export function laneOf(url: string): Lane {
  const end = url.indexOf('?');
  const path = end < 0 ? url : url.slice(0, end);
  if (INSTANCE_PATHS.has(path)) return 'instances';
  return DOCUMENT_PATH.test(path) ? 'documents' : 'admins';
}
