import type { Socket } from 'node:net';
import { guarded } from '../platform/guarded.js';
import { networkOf, type Networks } from '../platform/ip-network.js';
import type { Logger } from '../platform/logging.js';
import { Connection, type ConnectionState } from './connection.js';
import type { ConnectionLimits } from './connection-limits.js';

/** One customer has a whole /64 of IPv6: it counts as one address. */
const ADDRESS = { ipv4: 32, ipv6: 64 } as const;
/** An honest request arrives sooner. */
const STUCK_AFTER_MS = 1000;

/** Why connections were closed. */
export interface ClosedConnections {
  /** A newer one needed the room. */
  evicted: number;
  /** No other connection could be closed to make room. */
  refused: number;
  /** The client did not read its answer. */
  unread: number;
}

/** All open connections, in total and by address. When there are too many, the least useful one is closed. */
export class Connections {
  readonly closed: ClosedConnections = { evicted: 0, refused: 0, unread: 0 };
  private readonly all = new Book();
  private readonly byNetwork = new Map<string, Book>();
  private readonly bySocket = new WeakMap<Socket, Connection>();

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly proxies: Networks,
    private readonly logger: Logger,
  ) {}

  get counts(): Readonly<Record<ConnectionState, number>> {
    return this.all.counts;
  }

  of(socket: Socket): Connection | undefined {
    return this.bySocket.get(socket);
  }

  /** Adds a new connection, possibly in place of an older one. Null: it had to be closed. */
  open(socket: Socket): Connection | null {
    const network = this.networkOf(socket);
    const own = network === null ? undefined : this.byNetwork.get(network);
    const hasRoom =
      (own === undefined || this.makeRoom(own, this.limits.connectionsPerAddress)) &&
      this.makeRoom(this.all, this.limits.connections);
    if (hasRoom) return this.enter(socket, network);
    this.closed.refused += 1;
    socket.destroy();
    return null;
  }

  /** From now on the encrypted socket represents the connection. */
  secure(raw: Connection, socket: Socket): Connection {
    this.leave(raw);
    return this.enter(socket, raw.network);
  }

  /** Closes the connections of clients that do not read. @param now a monotonic clock, in ms */
  sweep(now: number): void {
    for (const connection of this.all.each('busy')) {
      const since = connection.unreadAnswerSince(now);
      if (since === null || now - since < this.limits.unreadAnswerMs) continue;
      this.closed.unread += 1;
      connection.socket.destroy();
    }
  }

  private enter(socket: Socket, network: string | null): Connection {
    const limit = this.limits.requestsPerConnection;
    const connection: Connection = new Connection(socket, network, limit, this.logger, () => {
      for (const book of this.booksOf(connection)) book.move(connection);
    });
    this.bySocket.set(socket, connection);
    for (const book of this.booksOf(connection)) book.add(connection);
    const leave = () => {
      this.leave(connection);
    };
    socket.once('close', guarded(this.logger, 'close', leave));
    return connection;
  }

  private leave(connection: Connection): void {
    for (const book of this.booksOf(connection)) book.remove(connection);
    const { network } = connection;
    if (network !== null && this.byNetwork.get(network)?.size === 0) this.byNetwork.delete(network);
  }

  private makeRoom(book: Book, limit: number): boolean {
    if (book.size < limit) return true;
    const leastUseful = book.leastUseful(performance.now());
    if (leastUseful === undefined) return false;
    this.closed.evicted += 1;
    this.leave(leastUseful);
    leastUseful.socket.destroy();
    return true;
  }

  private booksOf({ network }: Connection): readonly Book[] {
    if (network === null) return [this.all];
    let own = this.byNetwork.get(network);
    if (own === undefined) this.byNetwork.set(network, (own = new Book()));
    return [this.all, own];
  }

  /**
   * A trusted proxy is not counted, because it has many clients. Node forgets the address of a closed connection
   * unless it was read before, as here.
   */
  private networkOf({ remoteAddress }: Socket): string | null {
    if (remoteAddress === undefined) return null;
    return this.proxies.include(remoteAddress) ? null : networkOf(remoteAddress, ADDRESS);
  }
}

/** Connections by state; in each state the one that has been in it longest comes first. */
class Book {
  private readonly byState = {
    silent: new Set<Connection>(),
    idle: new Set<Connection>(),
    busy: new Set<Connection>(),
  };

  get size(): number {
    const { silent, idle, busy } = this.byState;
    return silent.size + idle.size + busy.size;
  }

  get counts(): Readonly<Record<ConnectionState, number>> {
    const { silent, idle, busy } = this.byState;
    return { silent: silent.size, idle: idle.size, busy: busy.size };
  }

  each(state: ConnectionState): ReadonlySet<Connection> {
    return this.byState[state];
  }

  add(connection: Connection): void {
    this.byState[connection.state].add(connection);
  }

  move(connection: Connection): void {
    if (this.remove(connection)) this.add(connection);
  }

  remove(connection: Connection): boolean {
    return Object.values(this.byState).some((connections) => connections.delete(connection));
  }

  /**
   * First a connection that has sent no request, or only a part, for a while. Then an idle one. Then one without a
   * whole request, however new.
   */
  leastUseful(now: number): Connection | undefined {
    const stuck = this.oldestWithoutRequest();
    if (stuck && now - stuck.since > STUCK_AFTER_MS) return stuck;
    for (const connection of this.byState.idle) return connection;
    return stuck;
  }

  private oldestWithoutRequest(): Connection | undefined {
    const { silent, busy } = this.byState;
    const candidates = [first(silent, () => true), first(busy, ({ isArriving }) => isArriving)];
    const [one, other] = candidates.filter((connection) => connection !== undefined);
    return other && one && other.since < one.since ? other : one;
  }
}

function first(
  connections: ReadonlySet<Connection>,
  fits: (connection: Connection) => boolean,
): Connection | undefined {
  for (const connection of connections) if (fits(connection)) return connection;
  return undefined;
}
