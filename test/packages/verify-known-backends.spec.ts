import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import {
  type MockIssuer,
  startMockIssuer,
  verifyBackend,
} from '../../packages/cloud-connector-mock-issuer/src/index.js';
import {
  createVerifier,
  expressGuard,
  fastifyGuard,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { BackendValidator } from '../support/backend-validator.js';
import { verdictServer } from '../support/serve-verdicts.js';

const NOW = new Date('2026-11-23T12:00:00Z');
const now = () => NOW;
const AUDIENCE = 'gitlab-ai-gateway';
const MISSING_SCOPE = { status: 403, error: 'Unauthorized to access duo_chat' };

describe('verifyBackend', () => {
  let issuer: MockIssuer;
  let secondIssuer: MockIssuer;

  beforeAll(async () => {
    secondIssuer = await startMockIssuer({ port: 0, rotateSeconds: 0, now });
    issuer = await startMockIssuer({ port: 0, rotateSeconds: 0, now });
  });
  afterAll(async () => {
    await issuer.close();
    await secondIssuer.close();
  });

  const reportOn = async (server: Server, options: object = {}) => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat`;
    try {
      return await verifyBackend({ url, issuer, patienceSeconds: 5, ...options });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  };

  /** A backend that is guarded by the verifier of this project, fetching again whenever it likes. */
  const guardedBy = async (framework: 'Fastify' | 'Express', statusList = false) => {
    const verifier = createVerifier({
      issuers: [issuer.issuer, secondIssuer.issuer],
      audience: AUDIENCE,
      statusList,
      cooldownSeconds: 0,
      timeoutMs: 500,
      clock: now,
    });
    if (framework === 'Fastify') {
      const app = fastify();
      app.addHook('onRequest', fastifyGuard(verifier, 'duo_chat'));
      await app.post('/v1/chat', () => ({})).ready();
      return app.server;
    }
    const app = express().use(expressGuard(verifier, 'duo_chat'));
    return createServer(app.post('/v1/chat', (_, response) => void response.json({})));
  };

  it('finds nothing in a Fastify backend with the guard of this project, under every fault', async () => {
    const options = { compareBodies: true, caching: true, secondIssuer };
    const { deviations, findings } = await reportOn(await guardedBy('Fastify'), options);
    expect(deviations).toEqual([]);
    // Each fault did happen: the backend answered nothing without fetching.
    expect(findings.filter(({ detail }) => detail !== null)).toEqual([]);
  });

  it('finds nothing in an Express backend either', async () => {
    const { deviations } = await reportOn(await guardedBy('Express'), { compareBodies: true });
    expect(deviations).toEqual([]);
  });

  it('finds nothing in a backend whose guard reads status lists', async () => {
    const { deviations } = await reportOn(await guardedBy('Fastify', true), { statusList: true });
    expect(deviations).toEqual([]);
  });

  it('finds in the model of a real backend the tokens that it is known to accept', async () => {
    const validator = new BackendValidator(issuer.issuer, AUDIENCE, now);
    const report = await reportOn(
      verdictServer(async (headers) => {
        const verdict = await validator.judge(headers);
        if (!verdict.accepted) return { status: 401, error: verdict.error };
        return verdict.scopes.includes('duo_chat') ? { status: 200 } : MISSING_SCOPE;
      }),
    );
    expect(report.deviations.map(({ name, deviation }) => `${String(deviation)} ${name}`)).toEqual(
      [
        'wrong-issuer',
        'issuer-suffix',
        'sub-empty',
        'realm-empty',
        'missing-iss',
        'missing-exp',
        'missing-gitlab-realm',
        'iss-an-array',
        'typ-status-list',
        'typ-checkpoint',
        'base64-padded',
        'whitespace-inside',
      ].map((name) => `accepted ${name}`),
    );
  });
});
