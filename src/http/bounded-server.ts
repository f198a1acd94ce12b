import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https';
import type { Socket } from 'node:net';
import { connectionLimits } from './connection-limits.js';
import type { Connection } from './connection.js';
import { Connections } from './connections.js';
import { Gates } from './gates.js';

/** From the opening of a connection, or the first byte of a further request, to the end of its headers. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** The same to the end of its body. */
export const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const SWEEP_MS = 1000;

/** Node's HTTP server with bounds on connections and on what each may ask at once. */
export class BoundedServer {
  readonly connections: Connections;
  readonly gates = new Gates(() => this.accepted);
  private accepted = 0;

  private readonly processId = randomBytes(4).toString('hex');
  private requests = 0;

  constructor(trustedProxies: readonly string[], limits = connectionLimits()) {
    this.connections = new Connections(limits, trustedProxies);
  }

  /** For the log and for the caller; different in each process. */
  nextRequestId(): string {
    this.requests += 1;
    return `${this.processId}-${this.requests}`;
  }

  /** For Fastify, as its `serverFactory`. */
  create(listener: RequestListener, tls: TlsOptions | null): Server {
    const options = {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: SWEEP_MS,
    };
    const server: Server = tls
      ? createTlsServer({ ...options, ...tls, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS })
      : createServer(options);
    this.bound(server, tls !== null);
    this.sweepUntilClosed(server);
    server.on('request', this.oneAtATime(listener));
    return server;
  }

  /** The first bytes of the request on a connection that Node's parser gave up; null when they are not known. */
  unreadBeginning(socket: Socket): Buffer | null {
    return this.connections.of(socket)?.unreadBeginning ?? null;
  }

  private bound(server: Server, isTls: boolean): void {
    /** Connections whose handshake is under way; a TLS socket does not say on which one it stands. */
    const handshakes = new Map<string, Connection>();
    server.on('connection', (socket: Socket) => {
      this.accepted += 1;
      const connection = this.connections.open(socket);
      if (!isTls) connection?.feedInSlices();
      else if (connection) handshakes.set(peerOf(socket), connection);
    });
    server.on('secureConnection', (socket: Socket) => {
      const peer = peerOf(socket);
      const raw = handshakes.get(peer);
      handshakes.delete(peer);
      if (raw) this.connections.secure(raw, socket).feedInSlices();
    });
  }

  private sweepUntilClosed(server: Server): void {
    const sweeping = setInterval(() => {
      this.connections.sweep(performance.now());
    }, SWEEP_MS);
    server.on('close', () => {
      clearInterval(sweeping);
    });
  }

  private oneAtATime(listener: RequestListener): RequestListener {
    return (request, answer) => {
      this.connections.of(request.socket)?.take(request, answer, () => {
        this.gates.pass(request, answer, () => this.nextRequestId(), listener);
      });
    };
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? ''}`;
}
