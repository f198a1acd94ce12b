import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import {
  createVerifier,
  expressGuard,
  type VerifierEvent,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { AUDIENCE, ForeignIssuer, requestHeaders } from './foreign-issuer.js';

describe('what goes wrong beside a request', () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown) => rejections.push(reason);
  let issuer: ForeignIssuer;
  beforeAll(async () => {
    process.on('unhandledRejection', note);
    issuer = await new ForeignIssuer().start();
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await issuer.stop();
  });

  it('is no unhandled rejection when Express has answered before the guard knew', async () => {
    const verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE });
    const errors: unknown[] = [];
    const app = express();
    app.use((_request, response, next) => {
      next();
      response.status(503).json({});
    });
    app.get('/', expressGuard(verifier, 'duo_chat'));
    app.use(((error, _request, _response, next) => {
      errors.push(error);
      next();
    }) satisfies express.ErrorRequestHandler);
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await fetch(url)).status).toBe(503);
    await sleep(20);
    server.close();
    expect([...rejections, ...errors]).toEqual([]);
  });

  it('is no unhandled rejection when a listener to events fails later', async () => {
    const verifier = createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      onEvent: () => Promise.reject(new Error('no disk')) as unknown as undefined,
    });
    await verifier.warmUp();
    await sleep(20);
    expect(rejections).toEqual([]);
  });
});

describe('a backend that starts before its issuer', () => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  beforeAll(async () => {
    issuer = await new ForeignIssuer().start();
  });
  afterAll(() => issuer.stop());

  it('asks for the keys soon and then ever later, until there are some', async () => {
    const keys = issuer.answers.get('/jwks') ?? {};
    issuer.answers.delete('/jwks');
    const events: VerifierEvent[] = [];
    const verifier = createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      clock: () => clock.now(),
      onEvent: (event) => events.push(event),
    });
    const code = async () => {
      const verdict = await verifier.verify(requestHeaders(issuer.token(clock.now())));
      return verdict.accepted ? 'accepted' : verdict.code;
    };
    expect(await code()).toBe('KEYS_UNAVAILABLE');
    for (const [failures, waitMs] of [250, 500, 1000, 2000, 4000, 5000, 5000].entries()) {
      clock.advance(waitMs - 1);
      expect([await code(), events.length]).toEqual(['KEYS_UNAVAILABLE', failures + 1]);
      clock.advance(1);
      expect([await code(), events.length]).toEqual(['KEYS_UNAVAILABLE', failures + 2]);
    }
    issuer.answers.set('/jwks', keys);
    clock.advance(5000);
    expect(await code()).toBe('accepted');
  });
});
