import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import { BoundedServer } from './bounded-server.js';
import { answerNotModified } from './entity-tag.js';
import { readJsonBodies } from './json-bodies.js';
import { endUnreadChunks } from './unread-chunks.js';
import { sendError } from './error-filter.js';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';
import { restrictBrowsers, TlsResponse } from './security-headers.js';
import type { ServiceConfig } from '../platform/service-config.js';
import { UnreadableRequests } from './unreadable-request.js';
import { refuseWrongMethods } from './wrong-method.js';

const MAX_BODY_BYTES = 1_048_576;

class IssuerAdapter extends FastifyAdapter {
  /** Nest sets its handler after the routes, too late for an unreadable body. Ours is set first, and stays. */
  override setErrorHandler(): ReturnType<FastifyAdapter['setErrorHandler']> {
    return this.getInstance();
  }

  /** The same for its handler of unknown paths: see refuseWrongMethods. */
  override setNotFoundHandler(): ReturnType<FastifyAdapter['setNotFoundHandler']> {
    return this.getInstance();
  }

  /** Nest would also read forms, which no endpoint accepts. */
  override registerParserMiddleware(): void {
    this.getInstance().removeContentTypeParser('text/plain');
  }
}

/** A certificate and its private key, as PEM. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Fastify, which handles every request before Nest. */
export function httpServer(
  config: ServiceConfig,
  logger: Logger,
  tls: TlsFiles | null,
  server = new BoundedServer(config, logger),
): FastifyAdapter {
  const unreadable = new UnreadableRequests(server, logger);
  const options: FastifyServerOptions = {
    bodyLimit: MAX_BODY_BYTES,
    // Validators cache a refusal for a day, so kept-alive connections are answered to the end.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    genReqId: (request) => server.requestIdOf(request),
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: guarded(logger, 'frameworkErrors', (error, request, reply) => {
      // No hook runs for these errors.
      labelAnswer(request, reply);
      sendError(error, request, reply, logger);
    }),
    clientErrorHandler: (error, socket) => {
      unreadable.answer(error, socket);
    },
    serverFactory: (listener) =>
      server.create(listener, tls && { ...tls, ServerResponse: TlsResponse }),
  };
  const adapter = new IssuerAdapter(options);
  const fastify = adapter.getInstance();
  unreadable.watch(fastify.server);
  surviveAcceptErrors(fastify, logger);
  fastify.setErrorHandler((error, request, reply) => {
    sendError(error, request, reply, logger);
  });
  readJsonBodies(fastify, MAX_BODY_BYTES, logger);
  server.gates.guard(fastify);
  endUnreadChunks(fastify, logger);
  decorateRequests(fastify, server);
  answerNotModified(fastify);
  refuseWrongMethods(fastify, logger);
  labelAnswers(fastify);
  logRequests(fastify, logger);
  return adapter;
}

/** Read when they are needed: behind proxies that takes a while. */
function decorateRequests(fastify: FastifyInstance, { clientAddresses }: BoundedServer): void {
  fastify.decorateRequest('clientAddress', {
    getter() {
      return clientAddresses.of(this.raw);
    },
  });
  fastify.decorateRequest('isProxied', {
    getter() {
      return clientAddresses.isProxied(this.raw);
    },
  });
}

/** A connection that cannot be accepted (no file descriptors are left) is an `error` of the server. */
function surviveAcceptErrors(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onListen', (done) => {
    const failed = (error: Error) => {
      logger.error({ error }, 'a connection could not be accepted');
    };
    // Not earlier: until it listens, Fastify reports errors to the start.
    fastify.server.on('error', guarded(logger, 'error of the server', failed));
    done();
  });
}

function labelAnswers(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    labelAnswer(request, reply);
    done();
  });
}

function labelAnswer(request: FastifyRequest, reply: FastifyReply): void {
  void reply.header('x-request-id', request.id);
  // Caches must not keep tokens, keys and licenses.
  if (!reply.hasHeader('cache-control')) void reply.header('cache-control', 'no-store');
  restrictBrowsers(reply);
}

/** One line for each request, with nothing that the caller wrote. */
function logRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    logger.info(
      {
        requestId: request.id,
        method: request.method,
        // The pattern, because a URL may have secrets.
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        code: request.errorCode,
        ...request.subject,
        milliseconds: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
    done();
  });
}
