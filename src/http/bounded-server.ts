import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https';
import type { Socket } from 'node:net';
import { connectionLimits } from './connection-limits.js';
import { guarded } from '../platform/guarded.js';
import { Networks } from '../platform/ip-network.js';
import type { Logger } from '../platform/logging.js';
import type { ServiceConfig } from '../platform/service-config.js';
import { NO_HOST, refuse, UNKNOWN_EXPECTATION } from './bare-answer.js';
import { ClientAddresses } from './client-address.js';
import type { Connection } from './connection.js';
import { Connections } from './connections.js';
import { Gates } from './gates.js';
import { usualUrl } from './usual-url.js';

/** From the opening of a connection, or the first byte of a later request, to the end of its headers. */
const HEADERS_TIMEOUT_MS = 10_000;
/** The same to the end of its body. */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const SWEEP_MS = 1000;
/** What proxies make their ids of: nothing that could end a line or a text of the log. */
const REQUEST_ID = /^[\w.:=+/@~-]{1,128}$/;

/** Node's HTTP server with limits on connections and on the requests of each. */
export class BoundedServer {
  readonly connections: Connections;
  readonly gates: Gates;
  readonly clientAddresses: ClientAddresses;
  private accepted = 0;

  private readonly processId = randomBytes(4).toString('hex');
  private requests = 0;

  constructor(
    config: Pick<ServiceConfig, 'trustedProxies' | 'databasePoolSize'>,
    private readonly logger: Logger,
    limits = connectionLimits(config.databasePoolSize),
  ) {
    const proxies = new Networks(config.trustedProxies);
    this.connections = new Connections(limits, proxies, logger);
    this.clientAddresses = new ClientAddresses(proxies);
    this.gates = new Gates(() => this.accepted, logger);
  }

  /** For the log and the caller: the id that a trusted proxy gave the request, else one of our own. */
  requestIdOf(request: IncomingMessage): string {
    const given = request.headers['x-request-id'];
    const isKept =
      typeof given === 'string' &&
      REQUEST_ID.test(given) &&
      this.clientAddresses.isProxied(request);
    return isKept ? given : this.nextRequestId();
  }

  /** Each process has its own ids. */
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
      // Node would answer a request without Host itself, past all limits.
      requireHostHeader: false,
    };
    const server: Server = tls
      ? createTlsServer({ ...options, ...tls, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS })
      : createServer(options);
    if (tls) this.boundEncrypted(server);
    else this.boundPlain(server);
    this.takeRequests(server, listener);
    this.sweepUntilClosed(server);
    return server;
  }

  /** The first bytes of the request that Node's parser gave up on; null when they are unknown. */
  unreadBeginning(socket: Socket): Buffer | null {
    return this.connections.of(socket)?.unreadBeginning ?? null;
  }

  private boundPlain(server: Server): void {
    const bound = (socket: Socket) => this.open(socket)?.feedInSlices();
    server.on('connection', guarded(this.logger, 'connection', bound));
  }

  private boundEncrypted(server: Server): void {
    /** Connections in their handshake: a TLS socket does not tell its raw socket. */
    const handshakes = new Map<string, Connection>();
    const begin = (socket: Socket) => {
      const connection = this.open(socket);
      if (connection === null) return;
      const peer = peerOf(socket);
      handshakes.set(peer, connection);
      const end = guarded(this.logger, 'close', () => handshakes.delete(peer));
      socket.once('close', end);
    };
    const secure = (socket: Socket) => {
      const raw = handshakes.get(peerOf(socket));
      if (raw) this.connections.secure(raw, socket).feedInSlices();
      else socket.destroy();
    };
    server.on('connection', guarded(this.logger, 'connection', begin));
    server.on('secureConnection', guarded(this.logger, 'secureConnection', secure));
  }

  private open(socket: Socket): Connection | null {
    this.accepted += 1;
    return this.connections.open(socket);
  }

  private takeRequests(server: Server, listener: RequestListener): void {
    const pass: RequestListener = (request, answer) => {
      const requestId = () => this.requestIdOf(request);
      if (lacksHost(request)) refuse(NO_HOST, request, answer, requestId(), this.logger);
      else this.gates.pass(request, answer, requestId, listener);
    };
    const refuseExpectation: RequestListener = (request, answer) => {
      const requestId = this.requestIdOf(request);
      refuse(UNKNOWN_EXPECTATION, request, answer, requestId, this.logger);
    };
    server.on('request', guarded(this.logger, 'request', this.inTurn(pass)));
    // Node would answer it itself, past all limits.
    const expectation = guarded(this.logger, 'checkExpectation', this.inTurn(refuseExpectation));
    server.on('checkExpectation', expectation);
  }

  /** From here on everything sees one form of the URL: gates, routes and the faces of errors. */
  private inTurn(work: RequestListener): RequestListener {
    return (request, answer) => {
      request.url = usualUrl(request.url ?? '');
      this.connections.of(request.socket)?.take(request, answer, work);
    };
  }

  private sweepUntilClosed(server: Server): void {
    const sweep = () => {
      this.connections.sweep(performance.now());
    };
    const sweeping = setInterval(guarded(this.logger, 'sweep of connections', sweep), SWEEP_MS);
    // A server that never listened never closes; its process should end all the same.
    sweeping.unref();
    const stop = () => {
      clearInterval(sweeping);
    };
    server.on('close', guarded(this.logger, 'close', stop));
  }
}

/** RFC 9112 section 3.2: HTTP/1.1 requires it. */
function lacksHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host === undefined && httpVersion === '1.1';
}

/** Both ends of a connection, which no other open connection has. */
function peerOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ');
}
