import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type Notification } from 'pg';
import { guarded } from '../platform/guarded.js';
import { LOOK } from './client.js';
import { pinSettings } from './session-settings.js';
import type { Logger } from '../platform/logging.js';

/** The name of the listening connection in `pg_stat_activity`. */
export const LISTENER_NAME = 'cloud-connector-issuer listener';

export interface ListenOptions {
  /** Must not lead through a pooler in transaction mode, which forwards no notifications. */
  readonly url: string;
  readonly channels: readonly string[];
  /**
   * Called when LISTEN is active: no later notification is missed. `probe` checks the connection at once.
   */
  readonly onListening: (probe: () => void) => void;
  readonly onNotification: (channel: string) => void;
  /** How often to check the connection: one that died may stay silent, and a server may be demoted. */
  readonly probeEveryMs: number;
  readonly answersWithinMs: number;
  readonly signal: AbortSignal;
  readonly logger: Pick<Logger, 'error'>;
}

/** LISTENs on a connection of its own until it is lost or `signal` aborts. @throws the reason */
export async function listen(options: ListenOptions): Promise<never> {
  options.signal.throwIfAborted();
  const lost = new AbortController();
  const over = AbortSignal.any([options.signal, lost.signal]);
  // Our own socket can be destroyed in every state. `end` would wait for a server that hangs.
  const socket = new Socket();
  const pause = new Pause();
  const destroy = guarded(options.logger, 'end of listening', () => {
    socket.destroy();
    pause.end();
  });
  over.addEventListener('abort', destroy);
  const client = listeningClient(options, socket, lost);
  try {
    await client.connect();
    await pinSettings(client, null);
    await requireWritable(client);
    for (const channel of options.channels) {
      await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    }
    options.onListening(() => {
      pause.end();
    });
    for (;;) {
      await pause.atMost(options.probeEveryMs);
      over.throwIfAborted();
      await requireWritable(client);
    }
  } finally {
    over.removeEventListener('abort', destroy);
    destroy();
  }
}

function listeningClient(options: ListenOptions, socket: Socket, lost: AbortController): Client {
  const client = new Client({
    connectionString: options.url,
    application_name: LISTENER_NAME,
    stream: () => socket,
    keepAlive: true,
    connectionTimeoutMillis: options.answersWithinMs,
    query_timeout: options.answersWithinMs,
  });
  const giveUp = (reason?: Error) => {
    lost.abort(reason);
  };
  client.on('error', guarded(options.logger, 'error of the listener', giveUp));
  client.on('end', guarded(options.logger, 'end of the listener', giveUp));
  const notified = ({ channel }: Notification) => {
    options.onNotification(channel);
  };
  client.on('notification', guarded(options.logger, 'notification', notified));
  return client;
}

/** A pause that can be ended early. An end between two pauses skips the next one. */
class Pause {
  private early = new AbortController();

  end(): void {
    this.early.abort();
  }

  async atMost(milliseconds: number): Promise<void> {
    const { signal } = this.early;
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
    this.early = new AbortController();
  }
}

/** A server that takes no writes notifies nobody. After a failover the address leads to another one. */
async function requireWritable(client: Client): Promise<void> {
  const { rows } = await client.query<{ readOnly: boolean }>(LOOK);
  if (rows[0]?.readOnly !== false) throw new Error('the server is read-only');
}
