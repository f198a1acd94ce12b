import {
  createVerifier,
  fastifyGuard,
  userOf,
  type VerifierOptions,
} from 'cloud-connector-verifier';
import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';

/** A backend with one route for everybody and two that need a unit primitive. */
export function createBackend(
  options: VerifierOptions,
  logger?: FastifyBaseLogger,
): FastifyInstance {
  const app = fastify(logger ? { loggerInstance: logger } : {});
  const verifier = createVerifier({
    ...options,
    onEvent: (event) => {
      app.log.info(event, event.type);
    },
  });
  const needs = (unitPrimitive: string) => ({ onRequest: fastifyGuard(verifier, unitPrimitive) });

  app.get('/healthz', () => ({ status: 'ok', issuers: verifier.state() }));

  app.post('/v1/chat', needs('duo_chat'), (request) => ({
    answer: 'Hello!',
    instance: userOf(request)?.instanceId,
  }));

  app.post('/v1/summaries', needs('summarize_comments'), (request) => ({
    summary: 'They agree.',
    instance: userOf(request)?.instanceId,
  }));

  app.addHook('onReady', () => verifier.warmUp());
  return app;
}
