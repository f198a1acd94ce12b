import 'reflect-metadata';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Controller, type ExecutionContext, Get, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import express from 'express';
import fastify from 'fastify';
import {
  createVerifier,
  expressGuard,
  fastifyGuard,
  type GuardOptions,
  userOf,
  type Verifier,
} from '../../packages/cloud-connector-verifier/src/index.js';
import {
  CloudConnectorGuard,
  RequireUnitPrimitive,
  WithoutToken,
} from '../../packages/cloud-connector-verifier/src/nest.js';
import { AUDIENCE, ForeignIssuer, INSTANCE, requestHeaders } from './foreign-issuer.js';

const FOREIGN = 'https://disallowed.example';
const FRAMEWORKS: Record<string, (verifier: Verifier, options: GuardOptions) => Promise<Backend>> =
  {
    Fastify: async (verifier, options) => {
      const app = fastify();
      const guarded = (name: string | null) => ({
        onRequest: fastifyGuard(verifier, name, options),
      });
      const instance = (request: object) => ({ instance: userOf(request)?.instanceId });
      app.get('/chat', guarded('duo_chat'), instance);
      app.get('/any', guarded(null), instance);
      app.get(
        '/suggestions',
        { preHandler: fastifyGuard(verifier, 'code_suggestions', options) },
        instance,
      );
      app.get('/healthz', () => ({}));
      return { url: await app.listen({ port: 0, host: '127.0.0.1' }), stop: () => app.close() };
    },
    Express: async (verifier, options) => {
      const app = express();
      const answer: express.RequestHandler = (request, response) => {
        response.json({ instance: userOf(request)?.instanceId });
      };
      app.get('/chat', expressGuard(verifier, 'duo_chat', options), answer);
      app.get('/any', expressGuard(verifier, null, options), answer);
      app.get('/suggestions', expressGuard(verifier, 'code_suggestions', options), answer);
      app.get('/healthz', answer);
      const server: Server = app.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      return { url, stop: () => Promise.resolve(server.close()) };
    },
    Nest: async (verifier, options) => {
      const adapter = new FastifyAdapter();
      const app = await NestFactory.create<NestFastifyApplication>(NestRoot, adapter, {
        logger: false,
      });
      app.useGlobalGuards(new CloudConnectorGuard(verifier, options));
      await app.listen(0, '127.0.0.1');
      return { url: await app.getUrl(), stop: () => app.close() };
    },
  };
const PATHS = ['class', 'inherited', 'replaced', 'allowed'] as const;

describe('the guards of all frameworks', () => {
  describe.each(Object.entries(FRAMEWORKS))('a backend on %s', (_name, start) => {
    let issuer: ForeignIssuer;
    let backend: Backend;
    let logged: string[];
    beforeAll(async () => {
      issuer = await new ForeignIssuer().start();
      const verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE });
      const warn = (fields: object, message: string) => {
        logged.push(JSON.stringify([fields, message]));
      };
      backend = await start(verifier, { logger: { warn }, disallowedIssuers: [FOREIGN] });
    });
    beforeEach(() => (logged = []));
    afterAll(async () => {
      await backend.stop();
      await issuer.stop();
    });

    async function get(path: string, headers: Record<string, string> = {}) {
      const response = await fetch(`${backend.url}/${path}`, { headers });
      const contentType = response.headers.get('content-type') ?? '';
      expect(contentType).toMatch(/^application\/json/);
      return { status: response.status, body: await response.json() };
    }
    const token = () => issuer.token(new Date());

    it('answers 200 to an instance that was granted the primitive, and knows its id', async () => {
      for (const path of ['chat', 'any']) {
        expect(await get(path, requestHeaders(token()))).toEqual({
          status: 200,
          body: { instance: INSTANCE },
        });
      }
      expect(logged).toEqual([]);
    });

    it('answers 401 without a token, or with a bad one', async () => {
      const [header = '', payload = ''] = token().split('.');
      const error = 'No authorization header presented';
      for (const path of ['chat', 'any']) {
        expect(await get(path)).toEqual({ status: 401, body: { error } });
        expect(await get(path, requestHeaders(`${header}.${payload}.AAAA`))).toEqual({
          status: 401,
          body: { error: 'Forbidden by auth provider' },
        });
        const mismatch = requestHeaders(token(), { 'x-gitlab-instance-id': 'other' });
        expect(await get(path, mismatch)).toEqual({
          status: 401,
          body: { error: "Header mismatch 'X-Gitlab-Instance-Id'" },
        });
      }
    });

    it('answers 403 to an instance that was granted something else', async () => {
      expect(await get('suggestions', requestHeaders(token()))).toEqual({
        status: 403,
        body: { detail: 'Unauthorized to access code_suggestions' },
      });
    });

    it('logs the reason, but no part of the token', async () => {
      const held = token();
      await get('suggestions', requestHeaders(held));
      await get('chat', requestHeaders(`${held}x`));
      await get('chat');
      expect(logged).toEqual([
        expect.stringContaining('UNIT_PRIMITIVE_NOT_GRANTED'),
        expect.stringMatching(/TOKEN_MALFORMED|SIGNATURE_INVALID/),
        expect.stringContaining('AUTHORIZATION_MISSING'),
      ]);
      for (const part of held.split('.')) expect(logged.join('')).not.toContain(part.slice(0, 20));
    });

    it('answers health checks without a token', async () => {
      expect((await get('healthz')).status).toBe(200);
    });
  });

  it('answers 403 to tokens of an issuer that the route disallows', async () => {
    const issuer = await new ForeignIssuer().start();
    const verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE });
    const app = fastify();
    const options = { disallowedIssuers: [issuer.url] };
    app.get('/', { onRequest: fastifyGuard(verifier, 'duo_chat', options) }, () => ({}));
    const headers = requestHeaders(issuer.token(new Date()));
    const answer = await app.inject({ url: '/', headers });
    expect([answer.statusCode, answer.json()]).toEqual([
      403,
      { detail: 'Unauthorized to access duo_chat' },
    ]);
    await app.close();
    await issuer.stop();
  });
});

describe('issuers that are to be disallowed', () => {
  const verifier = createVerifier({ issuers: ['https://a.example'], audience: AUDIENCE });
  const unset = undefined as unknown as string;

  it.each([
    [[unset], 'disallowedIssuers[0] is undefined'],
    [['https://a.example', ' '], 'disallowedIssuers[1] is empty'],
    ['https://a.example' as unknown as string[], 'disallowedIssuers must be a list'],
  ])(
    'are refused without a name, which would disallow nobody: %j',
    (disallowedIssuers, message) => {
      const options = { disallowedIssuers };
      expect(() => fastifyGuard(verifier, 'duo_chat', options)).toThrow(message);
      expect(() => expressGuard(verifier, 'duo_chat', options)).toThrow(message);
      expect(() => new CloudConnectorGuard(verifier, options)).toThrow(message);
      expect(() => RequireUnitPrimitive('duo_chat', options)).toThrow(message);
    },
  );
});

describe('the guard of Nest', () => {
  let issuer: ForeignIssuer;
  beforeAll(async () => {
    issuer = await new ForeignIssuer().start();
  });
  afterAll(() => issuer.stop());

  /** The status on each route for a token that grants `duo_chat`. */
  async function statuses(options: GuardOptions = {}): Promise<Record<string, number>> {
    const verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE });
    const app = await NestFactory.create<NestFastifyApplication>(Root, new FastifyAdapter(), {
      logger: false,
    });
    app.useGlobalGuards(new CloudConnectorGuard(verifier, options));
    await app.listen(0, '127.0.0.1');
    const headers = requestHeaders(issuer.token(new Date()));
    const url = await app.getUrl();
    const met = await Promise.all(
      PATHS.map(async (path) => [path, (await fetch(`${url}/child/${path}`, { headers })).status]),
    );
    await app.close();
    return Object.fromEntries(met) as Record<string, number>;
  }

  it('applies inherited decorators, and those of a method whose function was replaced', async () => {
    expect(await statuses()).toEqual({ class: 403, inherited: 403, replaced: 403, allowed: 200 });
  });

  it('adds the issuers that a route disallows to its own', async () => {
    expect(await statuses({ disallowedIssuers: [issuer.url] })).toMatchObject({ allowed: 403 });
  });

  it('applies the decorators of another copy of the package', async () => {
    const copy = await anotherCopy();
    const verifier = createVerifier({ issuers: [issuer.url], audience: AUDIENCE });
    const guard = new copy.CloudConnectorGuard(verifier);
    const headers = requestHeaders(issuer.token(new Date()));
    const about = (method: 'ofClass' | 'allowed') => ({
      getClass: () => Child,
      getHandler: () => Reflect.get(Child.prototype, method) as unknown,
      switchToHttp: () => ({ getRequest: () => ({ headers }) }),
    });
    const admits = (method: 'ofClass' | 'allowed') =>
      guard.canActivate(about(method) as unknown as ExecutionContext);
    await expect(admits('ofClass')).rejects.toMatchObject({ status: 403 });
    await expect(admits('allowed')).resolves.toBe(true);
  });

  it.each([[undefined], [null], ['']])('refuses %j as a unit primitive', (name) => {
    expect(() => RequireUnitPrimitive(name as string)).toThrow(TypeError);
  });

  it('allows one requirement for each route', () => {
    expect(() => {
      class Twice {
        @WithoutToken()
        @RequireUnitPrimitive('duo_chat')
        chat() {
          return {};
        }
      }
      return Twice;
    }).toThrow(TypeError);
  });
});

@Controller()
@RequireUnitPrimitive('code_suggestions')
class NestRoutes {
  @Get('chat')
  @RequireUnitPrimitive('duo_chat')
  chat(@Req() request: object) {
    return { instance: userOf(request)?.instanceId };
  }

  @Get('suggestions')
  suggestions() {
    return {};
  }

  @Get('healthz')
  @WithoutToken()
  health() {
    return {};
  }
}

/** Has no decorator, but still needs a good token. */
@Controller()
class PlainRoutes {
  @Get('any')
  any(@Req() request: object) {
    return { instance: userOf(request)?.instanceId };
  }
}

@Module({ controllers: [NestRoutes, PlainRoutes] })
class NestRoot {}

interface Backend {
  readonly url: string;
  stop(): Promise<unknown>;
}

/** Replaces the function of the method, as decorators of other libraries do. */
function Replaced(): MethodDecorator {
  return (_target, _name, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as (...given: unknown[]) => unknown;
    descriptor.value = function (this: unknown, ...given: unknown[]) {
      return method.apply(this, given);
    };
  };
}

class Ancestor {
  @RequireUnitPrimitive('ask_epic')
  inherited() {
    return {};
  }
}

@RequireUnitPrimitive('code_suggestions')
class Parent extends Ancestor {}

@Controller('child')
class Child extends Parent {
  @Get('class')
  ofClass() {
    return {};
  }

  @Get('inherited')
  override inherited() {
    return {};
  }

  // Decorators apply from the bottom up, so Nest sees the function of the top one.
  @Get('replaced')
  @Replaced()
  @RequireUnitPrimitive('ask_epic')
  replaced() {
    return {};
  }

  @Get('allowed')
  @RequireUnitPrimitive('duo_chat', { disallowedIssuers: ['https://another.example'] })
  allowed() {
    return {};
  }
}

@Module({ controllers: [Child] })
class Root {}

type NestEntry = typeof import('../../packages/cloud-connector-verifier/src/nest.js');

/** Another copy of the package, as in an application that depends on two versions of it. */
async function anotherCopy(): Promise<NestEntry> {
  const copies: NestEntry[] = [];
  await jest.isolateModulesAsync(async () => {
    copies.push(await import('../../packages/cloud-connector-verifier/src/nest.js'));
  });
  const [copy] = copies;
  if (!copy || copy.CloudConnectorGuard === CloudConnectorGuard) throw new Error('no other copy');
  return copy;
}
