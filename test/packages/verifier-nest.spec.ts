import 'reflect-metadata';
import { Controller, type ExecutionContext, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  createVerifier,
  type GuardOptions,
} from '../../packages/cloud-connector-verifier/src/index.js';
import {
  CloudConnectorGuard,
  RequireUnitPrimitive,
  WithoutToken,
} from '../../packages/cloud-connector-verifier/src/nest.js';
import { AUDIENCE, ForeignIssuer, requestHeaders } from './foreign-issuer.js';

/** As decorators of other libraries do: the method is another function from here on. */
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

  // Applied from below: Nest sees the function that came last.
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

/** As an application has it that depends on two versions of the package. */
async function anotherCopy(): Promise<NestEntry> {
  const copies: NestEntry[] = [];
  await jest.isolateModulesAsync(async () => {
    copies.push(await import('../../packages/cloud-connector-verifier/src/nest.js'));
  });
  const [copy] = copies;
  if (!copy || copy.CloudConnectorGuard === CloudConnectorGuard) throw new Error('no other copy');
  return copy;
}

const PATHS = ['class', 'inherited', 'replaced', 'allowed'] as const;

describe('the guard of Nest', () => {
  let issuer: ForeignIssuer;
  beforeAll(async () => {
    issuer = await new ForeignIssuer().start();
  });
  afterAll(() => issuer.stop());

  /** What a token that grants `duo_chat` meets on each route. */
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

  it('heeds what a class inherits, and a method whose function was replaced', async () => {
    expect(await statuses()).toEqual({ class: 403, inherited: 403, replaced: 403, allowed: 200 });
  });

  it('adds the issuers that a route disallows to its own', async () => {
    expect(await statuses({ disallowedIssuers: [issuer.url] })).toMatchObject({ allowed: 403 });
  });

  it('heeds the decorators of another copy of the package', async () => {
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

  it.each([[undefined], [null], ['']])('takes no %s for a unit primitive', (name) => {
    expect(() => RequireUnitPrimitive(name as string)).toThrow(TypeError);
  });

  it('takes one requirement a route', () => {
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
