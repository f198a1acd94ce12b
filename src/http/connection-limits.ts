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
/** Files that are no connections of clients: the database's, the keys' and the log's. */
const RESERVED_FILES = 128;
const MOST_CONNECTIONS_PER_ADDRESS = 1024;
const REQUESTS_PER_CONNECTION = 1000;
const UNREAD_ANSWER_MS = 10_000;

/** Half of all connections is the most that one address gets, so that there is room for a second one. */
export function connectionLimits(openFiles: number = openFilesLimit()): ConnectionLimits {
  const spare = Math.max(FEWEST_CONNECTIONS, openFiles - RESERVED_FILES);
  const connections = Math.min(MOST_CONNECTIONS, spare);
  return {
    connections,
    connectionsPerAddress: Math.min(MOST_CONNECTIONS_PER_ADDRESS, Math.floor(connections / 2)),
    requestsPerConnection: REQUESTS_PER_CONNECTION,
    unreadAnswerMs: UNREAD_ANSWER_MS,
  };
}
