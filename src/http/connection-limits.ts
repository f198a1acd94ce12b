import { openFilesLimit } from './open-files.js';

export interface ConnectionLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly requestsPerConnection: number;
  /** How long a client may leave an answer unread. */
  readonly unreadAnswerMs: number;
}

const MOST_CONNECTIONS = 8192;
const FEWEST_CONNECTIONS = 16;
/** Files that are not connections of clients: catalog, keys and log. Those of the database are added. */
const RESERVED_FILES = 128;
const MOST_CONNECTIONS_PER_ADDRESS = 1024;
const REQUESTS_PER_CONNECTION = 1000;
const UNREAD_ANSWER_MS = 10_000;

/** One address gets at most half of all connections, so that there is room for others. */
export function connectionLimits(
  databasePoolSize: number,
  openFiles: number = openFilesLimit(),
): ConnectionLimits {
  const reserved = RESERVED_FILES + databasePoolSize;
  const spare = Math.max(FEWEST_CONNECTIONS, openFiles - reserved);
  const connections = Math.min(MOST_CONNECTIONS, spare);
  return {
    connections,
    connectionsPerAddress: Math.min(MOST_CONNECTIONS_PER_ADDRESS, Math.floor(connections / 2)),
    requestsPerConnection: REQUESTS_PER_CONNECTION,
    unreadAnswerMs: UNREAD_ANSWER_MS,
  };
}
