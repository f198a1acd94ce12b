import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { Get, Module, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants';
import { MetadataScanner, ModulesContainer, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AccessControlModule } from '../../src/access-control/access-control.module.js';
import { AdminApi, AskedBy } from '../../src/access-control/admin-api.js';
import type { Principal } from '../../src/access-control/api-token-look-up.js';
import { AppModule } from '../../src/app.module.js';
import { loadCatalog } from '../../src/catalog/load-catalog.js';
import { shippedCatalogDirectory } from '../../src/catalog/shipped-catalog.js';
import { dataSourceOptions } from '../../src/data-source.js';
import { Database } from '../../src/database/database.js';
import { httpServer } from '../../src/http/http-server.js';
import { Clock } from '../../src/platform/clock.js';
import { createLogger } from '../../src/platform/logging.js';
import {
  licenseBody,
  recordPurchase,
  registerLicense,
  registerPaidLicense,
} from '../support/builders.js';
import { describeUnless, missingProgram } from '../support/debian.js';
import { type Nginx, startNginx } from '../support/nginx.js';
import { selfSignedCertificate } from '../support/self-signed-certificate.js';
import { INSTANCES, readOperations } from '../support/operations.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { answerToBytes, expectProblem } from './problem.js';

const MEBIBYTE = 1_048_576;
const TOO_WIDE = 'has more than 2500 members and items';
const TOO_DEEP = 'is more than 8 levels deep';
const UNBOUNDED = [
  ['members', TOO_WIDE, () => wide((n) => [`m${n}`, 1])],
  ['members of one name', TOO_WIDE, () => `{${'"a":1,'.repeat(3000)}"a":1}`],
  ['members in a member', TOO_WIDE, () => `{"licensee":${wide((n) => [`m${n}`, 1])}}`],
  ['items', TOO_WIDE, () => JSON.stringify({ user_ids: Array(3000).fill('7') })],
  ['levels', TOO_DEEP, () => `{"a":${'['.repeat(9)}${']'.repeat(9)}}`],
  ['lists that are never closed', TOO_DEEP, () => '['.repeat(MEBIBYTE)],
] as const;
const JSON_TYPE = { 'content-type': 'application/json' };
const HSTS = /^strict-transport-security: max-age=31536000$/im;

let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

describe('the edges of the admin API', () => {
  interface OpenapiJson {
    readonly openapi: string;
    readonly paths: Readonly<
      Record<string, Readonly<Record<string, { readonly security?: unknown }>>>
    >;
  }

  function call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(issuer.url + path, { method, ...init });
  }

  /** Each route of the admin API, for the ids of nothing. */
  async function adminRoutes(): Promise<[method: string, path: string][]> {
    const names = (await readOperations(issuer.url)).map(({ name }) => name);
    const ofAdmins = names.filter((name) => / \/api\/v1\//.test(name) && !INSTANCES.includes(name));
    // So many there were when this was written: an empty document would prove nothing.
    expect(ofAdmins.length).toBeGreaterThanOrEqual(45);
    return ofAdmins.map((name) => name.split(' ') as [string, string]);
  }

  function post(path: string, body: string | Uint8Array, type: string): Promise<Response> {
    const authorization = `Bearer ${issuer.adminToken}`;
    const headers = { authorization, 'content-type': type };
    return call('POST', path, { headers, body: Buffer.from(body) });
  }

  it('let nobody in without a token, on every route of the OpenAPI document', async () => {
    for (const [method, path] of await adminRoutes()) {
      const response = await call(method, path);
      expect([method, path, response.headers.get('www-authenticate')]).toEqual([
        method,
        path,
        'Bearer',
      ]);
      await expectProblem(response, 401, 'UNAUTHENTICATED');
    }
  });

  it('let nobody in with a wrong token, nor with the right one in another form', async () => {
    for (const [method, path] of await adminRoutes()) {
      for (const authorization of [
        `Bearer ${randomBytes(32).toString('base64url')}`,
        `Bearer ${issuer.adminToken}x`,
        `Bearer ${issuer.adminToken.slice(1)}`,
        `Basic ${Buffer.from(`admin:${issuer.adminToken}`).toString('base64')}`,
        issuer.adminToken,
        'Bearer',
        'Bearer ',
      ]) {
        const response = await call(method, path, { headers: { authorization } });
        // After too many wrong tokens.
        if (response.status === 429) await expectProblem(response, 429, 'RATE_LIMITED');
        else await expectProblem(response, 401, 'UNAUTHENTICATED');
      }
      const inUrl = await call(method, `${path}?access_token=${issuer.adminToken}`);
      await expectProblem(inUrl, 401, 'UNAUTHENTICATED');
    }
  });

  it('ask for the token before they look at the request', async () => {
    const headers = { 'content-type': 'application/json' };
    const response = await call('POST', '/api/v1/licenses', { headers, body: '{"seats": "1"}' });
    await expectProblem(response, 401, 'UNAUTHENTICATED');
  });

  it('take the word Bearer in any case', async () => {
    const headers = { authorization: `bearer ${issuer.adminToken}` };
    expect((await call('GET', '/api/v1/licenses', { headers })).status).toBe(200);
  });

  it.each([
    ['GET', '/api/v1/nothing'],
    ['GET', '/api/v1'],
    ['GET', '/api/v2/licenses'],
    ['GET', '/'],
    // The AI gateway and GitLab ask for it: 401, 402, 403 or 405 would lock their users out.
    ['GET', '/api/v1/consumers/resolve'],
    ['HEAD', '/api/v1/consumers/resolve'],
    ['POST', '/api/v1/consumers/resolve'],
    ['GET', '/api/v1/licenses/../../../../etc/passwd'],
  ])('know nothing of %s %s', async (method, path) => {
    for (const headers of [{}, { authorization: `Bearer ${issuer.adminToken}` }]) {
      const response = await call(method, path, { headers });
      expect(response.status).toBe(404);
      if (method !== 'HEAD') await expectProblem(response, 404, 'NOT_FOUND');
    }
  });

  it('answer each wrong method with 405 and the right ones, and HEAD wherever GET is answered', async () => {
    const methodsAt = new Map<string, string[]>();
    for (const { name } of await readOperations(issuer.url)) {
      const [method = '', path = ''] = name.split(' ');
      if (path !== '/nowhere') methodsAt.set(path, [...(methodsAt.get(path) ?? []), method]);
    }
    expect(methodsAt.size).toBeGreaterThan(40);
    const headers = { authorization: `Bearer ${issuer.adminToken}` };
    for (const [path, methods] of methodsAt) {
      const allowed = methods.includes('GET') ? [...methods, 'HEAD'].sort() : methods.sort();
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        if (allowed.includes(method)) continue;
        // A body in a form that no route takes: its method is wrong first.
        const body = method === 'GET' ? {} : { body: 'x' };
        const response = await call(method, path, { headers, ...body });
        expect([method, path, response.status]).toEqual([method, path, 405]);
        expect(response.headers.get('allow')).toBe(allowed.join(', '));
        if (path === '/graphql') {
          const errors = [{ extensions: { code: 'BAD_REQUEST' } }];
          expect(await response.json()).toMatchObject({ errors });
        } else if (path === '/api/v1/seat_links') {
          expect(await response.json()).toMatchObject({ error_attribute_map: {} });
        } else await expectProblem(response, 405, 'METHOD_NOT_ALLOWED');
      }
      if (!methods.includes('GET')) continue;
      const [get, head] = await Promise.all([
        call('GET', path, { headers }),
        call('HEAD', path, { headers }),
      ]);
      expect([path, head.status]).toEqual([path, get.status]);
      expect(await head.text()).toBe('');
      await get.text();
    }
  });

  it('refuse by name what no admin route reads: a parameter, and a body where there is none', async () => {
    const headers = {
      authorization: `Bearer ${issuer.adminToken}`,
      'content-type': 'application/json',
    };
    for (const [method, path] of await adminRoutes()) {
      for (const name of ['dry_run', 'per_page[]', '__proto__', '']) {
        const query = `?${encodeURIComponent(name)}=1`;
        const response = await call(method, path + query, { headers });
        const problem = await expectProblem(response, 422, 'VALIDATION_FAILED');
        expect([method, path, problem.errors?.map(({ parameter }) => parameter)]).toEqual([
          method,
          path,
          expect.arrayContaining([name]),
        ]);
      }
    }
    const { id } = await registerLicense(issuer);
    const key = { license_key: 'a key that says: cancelled' };
    const path = `licenses/${id}/cancellation_key`;
    expect((await issuer.admin('PUT', path, key)).status).toBe(204);
    const dryRun = await issuer.admin('DELETE', path, { dry_run: true });
    await expectProblem(dryRun, 422, 'VALIDATION_FAILED', ['#']);
    for (const body of [{}, undefined]) {
      expect((await issuer.admin('DELETE', path, body)).status).toBe(204);
    }
  });

  it('ignore parameters where validators, instances and probes ask', async () => {
    for (const { name } of await readOperations(issuer.url)) {
      const [method = '', path = ''] = name.split(' ');
      const isOfAdmins = path.startsWith('/api/v1/') && !INSTANCES.includes(name);
      if (isOfAdmins) continue;
      const statuses = [];
      for (const query of ['', '?a=1&a=2&b[]=3&__proto__=4&']) {
        const init = method === 'GET' ? {} : { body: '{}', headers: JSON_TYPE };
        statuses.push((await call(method, path + query, init)).status);
      }
      expect([name, statuses[1]]).toEqual([name, statuses[0]]);
    }
  });

  it('answer a URL that cannot be decoded with 400', async () => {
    await expectProblem(await call('GET', '/api/v1/licenses/%E0%A4%A'), 400, 'BAD_REQUEST');
  });

  it.each(['{', '{"seats": 1,}', "{'seats': 1}", 'seats', '{"a": NaN}'])(
    'answer the body %j with 400, without repeating it',
    async (body) => {
      const response = await post('/api/v1/licenses', body, 'application/json');
      const problem = await expectProblem(response, 400, 'BAD_REQUEST');
      expect(problem.detail).not.toContain('seats');
    },
  );

  it('take an empty body of any type for no body', async () => {
    const created = await post('/api/v1/licenses', '', 'application/json');
    await expectProblem(created, 422, 'VALIDATION_FAILED');
    const { id } = await registerLicense(issuer);
    const revoked = await post(`/api/v1/licenses/${id}/revoke`, '', 'application/json');
    expect(revoked.status).toBe(200);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'application/jsonp',
    'multipart/form-data; boundary=x',
  ])('answer the content type %s with 415', async (type) => {
    const { id } = await registerLicense(issuer);
    for (const path of ['licenses', `licenses/${id}/revoke`]) {
      const response = await post(`/api/v1/${path}`, 'reason=x', type);
      await expectProblem(response, 415, 'UNSUPPORTED_MEDIA_TYPE');
    }
    const license = await (await issuer.admin('GET', `licenses/${id}`)).json();
    expect(license).toMatchObject({ revoked_at: null });
  });

  it.each([
    ['application/json; charset=iso-8859-1', Buffer.from('{}'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['application/json; charset="UTF-16LE"', Buffer.from('{}'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['application/json', Buffer.from('{"customer_ref":"Ren\xe9"}', 'latin1'), 400, 'BAD_REQUEST'],
    ['application/json', Buffer.from('{}', 'utf16le'), 400, 'BAD_REQUEST'],
  ])('refuse a body that is not UTF-8: %s, %s', async (type, body, status, code) => {
    const answer = await post('/api/v1/licenses', body, type);
    await expectProblem(answer, status, code);
  });

  it('read a body that begins with a byte order mark', async () => {
    const body = `\ufeff${JSON.stringify(licenseBody())}`;
    expect((await post('/api/v1/licenses', body, 'application/json')).status).toBe(201);
  });

  it.each([
    ['content-encoding', 'gzip', true],
    ['content-encoding', 'Identity, br', true],
    ['content-encoding', 'zstd', true],
    ['transfer-encoding', 'gzip, chunked', true],
    ['content-encoding', 'identity', false],
    ['content-encoding', '', false],
    ['transfer-encoding', 'chunked', false],
  ])('answer a body with %s: %s with 415 where it is packed', async (name, coding, packed) => {
    for (const [path, type] of [
      ['/api/v1/licenses', 'application/problem+json'],
      ['/graphql', 'application/json'],
      ['/api/v1/seat_links', 'application/json'],
    ] as const) {
      const body = '{}';
      const frame =
        name === 'transfer-encoding' ? '2\r\n{}\r\n0\r\n\r\n' : 'connection: close\r\n\r\n{}';
      const length =
        name === 'transfer-encoding'
          ? 'connection: close\r\n\r\n'
          : `content-length: ${body.length}\r\n`;
      const head = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${name}: ${coding}\r\n`;
      const answer = await answerToBytes(issuer.url, head + length + frame);
      expect([path, answer.status === 415]).toEqual([path, packed]);
      if (!packed) continue;
      expect(answer.headers.get('content-type')).toBe(type);
      expect(answer.headers.get('accept-encoding')).toBe('identity');
    }
  });

  it.each(['application/json; charset=utf-8', 'Application/JSON'])('read %s', async (type) => {
    const response = await post('/api/v1/licenses', JSON.stringify(licenseBody()), type);
    expect(response.status).toBe(201);
  });

  it('read a body of 1 MiB and answer one byte more with 413', async () => {
    const body = JSON.stringify(licenseBody());
    const whole = await post('/api/v1/licenses', body.padEnd(MEBIBYTE), 'application/json');
    expect(whole.status).toBe(201);
    const tooLong = await post('/api/v1/licenses', body.padEnd(MEBIBYTE + 1), 'application/json');
    await expectProblem(tooLong, 413, 'PAYLOAD_TOO_LARGE');
  });

  it('measure a body that does not tell its length', async () => {
    const status = await new Promise((resolve, reject) => {
      const outgoing = request(`${issuer.url}/api/v1/licenses`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${issuer.adminToken}`,
          'content-type': 'application/json',
          'transfer-encoding': 'chunked',
        },
      });
      outgoing.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      outgoing.on('error', reject);
      outgoing.end(Buffer.alloc(MEBIBYTE + 1, ' '));
    });
    expect(status).toBe(413);
  });

  it.each([
    [431, 'REQUEST_HEADER_TOO_LARGE', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(MEBIBYTE)}`],
    [400, 'BAD_REQUEST', 'hello'],
    [400, 'BAD_REQUEST', 'POST /api/v1/licenses HTTP/1.1\r\nHost: x\r\nContent-Length: x'],
  ])('answer bytes that are not a request with %s %s, and hang up', async (status, code, text) => {
    const response = await answerToBytes(issuer.url, `${text}\r\n\r\n`);
    await expectProblem(response, status, code);
    expect(response.headers.get('connection')).toBe('close');
    expect(issuer.logs.join('')).toContain(response.headers.get('x-request-id') ?? 'none');
  });

  it('answer an instance in the form of its protocol, if the request shows that it is one', async () => {
    const text = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n';
    const response = await answerToBytes(issuer.url, text);
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    ]);
  });

  it('give every answer the id under which the log has it', async () => {
    const response = await issuer.admin('GET', 'licenses');
    const id = response.headers.get('x-request-id') ?? '';
    expect(id).toMatch(/^[0-9a-f]+-\d+$/);
    expect(issuer.logs.join('')).toContain(`"requestId":"${id}"`);
  });

  it('keep the admin token out of the log', () => {
    expect(issuer.logs.length).toBeGreaterThan(100);
    expect(issuer.logs.join('')).not.toContain(issuer.adminToken);
  });

  describe('are described', () => {
    it('by an OpenAPI document that lists every route and needs no token itself', async () => {
      const response = await call('GET', '/api/openapi.json');
      expect(response.status).toBe(200);
      const { openapi, paths } = (await response.json()) as OpenapiJson;
      expect(openapi).toMatch(/^3\./);
      const listed = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
      );
      const ofAdmins = routesOf(issuer).filter((name) => !INSTANCES.includes(name));
      expect(listed.sort()).toEqual(ofAdmins.filter((name) => name.includes(' /api/v1/')).sort());
    });

    it('by a document that asks for the bearer token on each of them', async () => {
      const { paths } = (await (await call('GET', '/api/openapi.json')).json()) as OpenapiJson;
      for (const operation of Object.values(paths).flatMap((methods) => Object.values(methods))) {
        expect(operation.security).toEqual([{ bearer: [] }]);
      }
    });

    it('by a page to read and try it', async () => {
      const response = await call('GET', '/api/docs');
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    });
  });
});

describeUnless(missingProgram('nginx', 'nginx'))('behind an nginx that compresses', () => {
  let nginx: Nginx;
  beforeAll(async () => {
    nginx = await startNginx(
      issuer.url,
      'gzip on; gzip_min_length 1; gzip_types *; gzip_proxied any;',
    );
  });
  afterAll(() => nginx.stop());

  function ask(method: string, path: string, headers: Record<string, string>, body?: object) {
    return fetch(nginx.url + path, {
      method,
      headers: { authorization: `Bearer ${issuer.adminToken}`, ...JSON_TYPE, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  it('a client that sends the weak tag back hears 304, for documents and for rows', async () => {
    const { id } = await registerLicense(issuer);
    for (const path of ['/oauth/discovery/keys', `/api/v1/licenses/${id}`]) {
      const first = await ask('GET', path, { 'accept-encoding': 'gzip' });
      const etag = first.headers.get('etag') ?? '';
      expect([first.headers.get('content-encoding'), etag.slice(0, 2)]).toEqual(['gzip', 'W/']);
      await first.text();
      for (const known of [etag, etag.slice(2), etag.slice(2).replace(/"$/, '-gzip"')]) {
        const again = await ask('GET', path, { 'if-none-match': known });
        expect([path, known, again.status]).toEqual([path, known, 304]);
        expect(await again.text()).toBe('');
      }
    }
  });

  it('an admin changes what was read, and not what somebody else has changed meanwhile', async () => {
    const { id } = await registerLicense(issuer);
    const path = `/api/v1/licenses/${id}`;
    const read = await ask('GET', path, { 'accept-encoding': 'gzip' });
    const headers = { 'if-match': read.headers.get('etag') ?? '' };
    expect(headers['if-match']).toBe('W/"1"');
    expect((await ask('PATCH', path, headers, { seats: 5 })).status).toBe(200);
    const stale = await ask('PATCH', path, headers, { seats: 6 });
    await expectProblem(stale, 412, 'PRECONDITION_FAILED');
  });
});

describe('the OpenAPI document', () => {
  interface OpenapiJson {
    readonly paths: Readonly<Record<string, Readonly<Record<string, OperationJson>>>>;
    readonly components: {
      readonly schemas: Readonly<Record<string, SchemaJson>>;
      readonly securitySchemes: unknown;
    };
  }
  let document: OpenapiJson;

  beforeAll(async () => {
    document = (await (await fetch(`${issuer.url}/api/openapi.json`)).json()) as OpenapiJson;
  });

  const property = (schema: string, name: string) =>
    document.components.schemas[schema]?.properties?.[name];

  it('lists the reasons of a decision', () => {
    expect(property('DecisionView', 'reason')).toMatchObject({
      type: 'string',
      enum: [
        'FREE',
        'ADD_ON_PURCHASED',
        'NO_AUDIENCE',
        'PLAN_NOT_ELIGIBLE',
        'GITLAB_VERSION_TOO_OLD',
        'PURCHASE_NOT_STARTED',
        'PURCHASE_EXPIRED',
        'NO_ACTIVE_PURCHASE',
      ],
    });
  });

  it.each([
    ['revoke', 'RevokeLicenseBody'],
    ['reinstate', 'EmptyBody'],
    ['replace_key', 'ReplaceLicenseKeyBody'],
  ])('lets the body of %s be left out', (action, body) => {
    const operation = document.paths[`/api/v1/licenses/{id}/${action}`]?.['post'];
    expect(operation?.requestBody).toEqual({
      required: false,
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${body}` } } },
    });
  });

  it('knows of no member in the body of a reinstatement', () => {
    expect(document.components.schemas['EmptyBody']).toEqual({
      type: 'object',
      properties: {},
    });
  });

  it.each([
    ['CreateLicenseBody', 'seats'],
    ['UpdateLicenseBody', 'seats'],
    ['LicenseView', 'seats'],
    ['AddOnPurchaseView', 'quantity'],
    ['CreateAddOnPurchaseBody', 'quantity'],
    ['UpdateAddOnPurchaseBody', 'quantity'],
  ])('counts in %s the %s in whole numbers', (schema, name) => {
    expect(property(schema, name)).toMatchObject({ type: 'integer' });
  });

  it('promises no format of the bearer token: it is opaque', () => {
    expect(document.components.securitySchemes).toEqual({
      bearer: { type: 'http', scheme: 'bearer' },
    });
  });

  it('says on which records the entitlements of another day are evaluated', () => {
    const operation = document.paths['/api/v1/licenses/{id}/entitlements']?.['get'];
    expect(operation?.description).toContain('of today');
  });
});

describe('a body', () => {
  let licenseKey: string;

  beforeAll(async () => {
    ({ licenseKey } = await registerPaidLicense(issuer));
  });

  function post(path: string, body: string): Promise<Response> {
    const headers = {
      authorization: `Bearer ${issuer.adminToken}`,
      'content-type': 'application/json',
    };
    return fetch(issuer.url + path, { method: 'POST', headers, body });
  }

  describe.each(UNBOUNDED)('of too many %s', (_what, fault, make) => {
    it.each(['licenses', 'self_issued_tokens', 'signing_keys/rotate'])(
      'is refused by %s with the bound that it breaks',
      async (path) => {
        const answer = await post(`/api/v1/${path}`, make());
        const problem = await expectProblem(answer, 422, 'VALIDATION_FAILED', ['#']);
        expect(problem.detail).toBe(`The body ${fault}: send less at a time.`);
      },
    );

    it('is not a request of the sync protocol: the instance keeps its tokens', async () => {
      const answer = await post('/graphql', make());
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('application/json');
      const message = `The body ${fault}: send less at a time.`;
      expect(await answer.json()).toEqual({
        errors: [{ message, extensions: { code: 'BAD_REQUEST' } }],
      });
    });

    it('is refused as a seat link in the words of seat links', async () => {
      const answer = await post('/api/v1/seat_links', make());
      expect(answer.status).toBe(422);
      expect(await answer.json()).toEqual({
        errors: [`the body ${fault}`],
        error_attribute_map: {},
      });
    });
  });

  it.each([
    ['a number', '"quantity":1,"quantity":1000', ['#/quantity']],
    ['the same value', '"quantity":1,"quantity":1', ['#/quantity']],
    ['an escape', '"quantity":1,"quan\\u0074ity":1000', ['#/quantity']],
    ['three times, and blanks', '"quantity":1 , "quantity" : 2,"quantity":3', ['#/quantity']],
    ['others between them', '"trial":false,"quantity":1,"trial":true', ['#/trial']],
    ['a member that nobody knows', '"a/b":{},"a/b":{}', ['#/a~1b']],
    ['two levels', '"quantity":1,"x":[0,{"y":"\\"}","y":2}]', ['#/x', '#/x/1/y']],
    ['a name that every object has', '"toString":1,"toString":2', ['#/toString']],
  ])('of an admin must not have a member twice: %s', async (_what, members, places) => {
    const { id } = await registerLicense(issuer);
    const path = `/api/v1/licenses/${id}/add_on_purchases`;
    const purchase = '"add_on":"duo_pro","expires_on":"2027-01-01"';
    const quantity = members.includes('quan') ? '' : ',"quantity":1';
    const answer = await post(path, `{${purchase}${quantity},${members}}`);
    await expectProblem(answer, 422, 'VALIDATION_FAILED', places);
    const { items } = (await (await issuer.admin('GET', path.slice(8))).json()) as { items: [] };
    expect(items).toEqual([]);
  });

  it('of an instance may have a member twice: the last one counts, as ever', async () => {
    const seatLink = `{"license_key":"x","license_key":${JSON.stringify(licenseKey)}}`;
    expect((await post('/api/v1/seat_links', seatLink)).status).toBe(200);
    const query = `"query":"{ __typename }"`;
    const sync = await post('/graphql', `{"query":"","variables":{"a":1,"a":2},${query}}`);
    expect(await sync.json()).toEqual({ data: { __typename: 'Query' } });
  });

  const WRONG_LICENSE = {
    plan: 'gold',
    kind: 'cloud',
    seats: 0,
    starts_on: '2027-01-01',
    expires_on: '2026-01-01',
    licensee: { email: 'x', size: 1 },
    license_key: 'aB3dE6gH9jK2mN5pQ8sT1vW4',
  };
  const OF_LICENSE = ['#/plan', '#/kind', '#/seats', '#/expires_on', '#/licensee/email'];
  const WRONG_PURCHASE = {
    add_on: 'duo_gold',
    quantity: 0,
    started_at: '2027-01-01',
    expires_on: '2026-01-01',
    trial: 1,
  };
  const OF_PURCHASE = ['#/add_on', '#/quantity', '#/expires_on', '#/trial'];

  it.each([
    ['POST licenses', WRONG_LICENSE, [...OF_LICENSE, '#/licensee/size', '#/license_key']],
    [
      'PATCH licenses/:license',
      { ...WRONG_LICENSE, license_key: 'x' },
      [...OF_LICENSE, '#/licensee/size', '#/license_key'],
    ],
    [
      'POST licenses/:license/replace_key',
      { license_key: WRONG_LICENSE.license_key, grace_seconds: -1 },
      ['#/license_key', '#/grace_seconds'],
    ],
    ['POST licenses/:license/add_on_purchases', WRONG_PURCHASE, OF_PURCHASE],
    ['PATCH add_on_purchases/:purchase', WRONG_PURCHASE, OF_PURCHASE],
    [
      'POST namespaces/9/add_on_purchases',
      { ...WRONG_PURCHASE, plan: 'gold' },
      [...OF_PURCHASE, '#/plan'],
    ],
    [
      'POST licenses/:license/activation_codes',
      { max_uses: 0, expires_at: '2020-01-01T00:00:00Z' },
      ['#/max_uses', '#/expires_at'],
    ],
    [
      'POST self_issued_tokens',
      { unit_primitives: ['nothing'], extra_claims: { sub: 'x' }, more: 1 },
      ['#/user', '#/unit_primitives/0', '#/extra_claims/sub', '#/more'],
    ],
    [
      'POST self_issued_tokens',
      { user: '7', namespace: '9', unit_primitives: [] },
      ['#/namespace', '#/unit_primitives'],
    ],
    ['POST self_issued_tokens/revoke', { reason: '' }, ['#/user', '#/reason']],
    ['GET allowed_to_use?unit_primitive=', undefined, ['unit_primitive', 'user']],
  ])('gets all of its faults in one answer, those against the catalog too: %s', async (...row) => {
    const [operation, body, places] = row;
    const { id } = await registerLicense(issuer);
    const purchase = await recordPurchase(issuer, id);
    const [method = '', path = ''] = operation
      .replace(':license', id)
      .replace(':purchase', purchase.id)
      .split(' ');
    const answer = await issuer.admin(method, path, body);
    await expectProblem(answer, 422, 'VALIDATION_FAILED', places);
  });

  it('may have members that a seat link does not know, up to the bound', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 2400 }, (_, n) => [`m${n}`, n]));
    const nested = { a: [{ b: [{ c: [{}] }] }] };
    const seatLink = { ...unknown, nested, license_key: licenseKey };
    const answer = await post('/api/v1/seat_links', JSON.stringify(seatLink));
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ license: licenseKey });
  });

  it('is measured in bytes: 1 MiB of any script is read', async () => {
    const open = '{"license_key":"';
    const blobs = '漢'.repeat(Math.floor((MEBIBYTE - open.length - 2) / 3));
    const broken = Buffer.alloc(MEBIBYTE - open.length - 2, 0xff);
    for (const key of [Buffer.from(blobs), broken]) {
      const body = Buffer.concat([Buffer.from(open), key, Buffer.from('"}')]);
      const answer = await fetch(`${issuer.url}/api/v1/seat_links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(await answer.text()).toContain('This license key is not registered here');
    }
  });

  it('may come in pieces of one byte', async () => {
    const text = JSON.stringify(licenseBody({ customer_ref: 'é'.repeat(100) }));
    const outgoing = request(`${issuer.url}/api/v1/licenses`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${issuer.adminToken}`,
        'content-type': 'application/json',
      },
    });
    const status = new Promise((done) => {
      outgoing.on('response', (answer) => {
        answer.resume();
        done(answer.statusCode);
      });
    });
    for (const byte of Buffer.from(text)) outgoing.write(Buffer.of(byte));
    outgoing.end();
    expect(await status).toBe(201);
  });

  describe('in very many chunks', () => {
    const chunks = (count: number) => `2\r\n{}\r\n${'1\r\n \r\n'.repeat(count)}0\r\n\r\n`;
    const bytes = (start: string, count: number) =>
      `${start} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
      `transfer-encoding: chunked\r\n\r\n${chunks(count)}`;

    it('is refused, for each chunk costs time, however short it is', async () => {
      const answer = await answerToBytes(issuer.url, bytes('POST /api/v1/licenses', 5000));
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain('more than 4096 pieces: send longer chunks');
      const sync = await answerToBytes(issuer.url, bytes('POST /graphql', 5000));
      expect(sync.status).toBe(200);
      expect(await sync.text()).toContain('"code":"BAD_REQUEST"');
    });

    const next = 'GET /-/liveness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';

    it('ends the connection of a request whose body nobody reads, and says so', async () => {
      const endless = bytes('GET /oauth/discovery/keys', 10).replace(/0\r\n\r\n$/, '');
      const read = await answersTo(issuer.url, endless);
      expect(read).toEqual([expect.stringMatching(/^200 [^]*connection: close/)]);
    });

    it.each(['GET /oauth/discovery/keys', 'POST /nowhere', 'PUT /graphql'])(
      'ends the connection before the body ends: %s',
      async (start) => {
        const read = await answersTo(issuer.url, bytes(start, 300_000) + next);
        expect(read.length).toBeLessThan(2);
      },
    );

    it('keeps the connection of a request whose body was read', async () => {
      expect(await answersTo(issuer.url, bytes('POST /graphql', 10) + next)).toHaveLength(2);
    });
  });
});

describe('extra slashes, as a base URL with one at its end brings them,', () => {
  const PATHS = [
    '/.well-known/openid-configuration',
    '/oauth/discovery/keys',
    '/oauth/discovery/auxiliary_keys',
    '/-/liveness',
    '/-/readiness',
  ];
  const INSTANCE_PATHS = ['/graphql', '/api/v1/seat_links'];
  const formsOf = (path: string) => [
    `/${path}`,
    `${path}/`,
    `${path.replaceAll('/', '//')}//?a=//b/`,
  ];

  it.each(PATHS)('are squeezed in %s for validators and probes', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      const usual = await fetch(issuer.url + path, { method });
      expect(usual.status).toBe(200);
      const body = await usual.text();
      for (const form of formsOf(path)) {
        const answer = await fetch(issuer.url + form, { method });
        expect({ form, status: answer.status }).toEqual({ form, status: 200 });
        expect(answer.headers.get('etag')).toBe(usual.headers.get('etag'));
        if (path.startsWith('/oauth')) expect(await answer.text()).toBe(body);
        else await answer.arrayBuffer();
      }
    }
  });

  it.each(INSTANCE_PATHS)('are squeezed in %s, in good and in bad requests', async (path) => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const logged = issuer.logs.length;
    const query = `query($k: String!) { cloudConnectorAccess(licenseKey: $k) { catalog } }`;
    const body = { license_key: licenseKey, query, variables: { k: licenseKey } };
    const post = (url: string, text: string) =>
      fetch(issuer.url + url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: text,
      });
    for (const form of formsOf(path)) {
      const answer = await post(form, JSON.stringify(body));
      expect({ form, status: answer.status }).toEqual({ form, status: 200 });
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(await answer.json()).not.toHaveProperty('errors');
      const refused = await post(form, '{');
      expect(refused.headers.get('content-type')).toBe('application/json');
      expect(await refused.json()).toHaveProperty('errors');
      for (const head of [
        `POST ${form} HTTP/1.1`,
        `POST ${form} HTTP/1.1\r\nHost: x\r\nContent-Length: x`,
      ]) {
        const bare = await answerToBytes(issuer.url, `${head}\r\n\r\n`);
        expect(bare.headers.get('content-type')).toBe('application/json');
      }
    }
    expect(issuer.logs.slice(logged).join('')).not.toContain('"route":null');
  });

  it.each(['licenses', 'licenses//revoke', 'add_on_purchases'])(
    'stay a mistake in %s, a URL of admins',
    async (path) => {
      const authorization = `Bearer ${issuer.adminToken}`;
      for (const form of formsOf(`/api/v1/${path}`)) {
        for (const headers of [{ authorization }, {}]) {
          await expectProblem(await fetch(issuer.url + form, { headers }), 404, 'NOT_FOUND');
        }
      }
      expect((await fetch(`${issuer.url}//-/metrics`)).status).toBe(404);
    },
  );
});

describe('a URL with its origin, or with needless escapes,', () => {
  it.each(['/graphql', '/api/v1/seat_links'])(
    'is the same as %s: a denial has the form of instances',
    async (path) => {
      const body = JSON.stringify({
        query: '{ cloudConnectorAccess(licenseKey: "unknown") { catalog } }',
        ...{ license_key: 'unknown', timestamp: new Date() },
      });
      const answerTo = async (url: string) => {
        const length = String(Buffer.byteLength(body));
        const head = `POST ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json`;
        const bytes = `${head}\r\nContent-Length: ${length}\r\n\r\n${body}`;
        const answer = await answerToBytes(issuer.url, bytes);
        return [answer.status, answer.headers.get('content-type'), await answer.json()];
      };
      const usual = await answerTo(path);
      expect(usual).toMatchObject([path === '/graphql' ? 200 : 422, 'application/json', {}]);
      for (const url of [`http://x${path}`, `https://x:1/${path}/`, path.replace('a', '%61')]) {
        expect([url, ...(await answerTo(url))]).toEqual([url, ...usual]);
      }
    },
  );
});

describe('the headers that guard browsers', () => {
  describe('the headers for browsers', () => {
    let issuer: TestIssuer;
    beforeAll(async () => {
      issuer = await startTestIssuer();
    });
    afterAll(() => issuer.stop());

    it('lets no page frame /api/docs, and no foreign script run in it', async () => {
      for (const path of ['/api/docs', '/api/docs/', '/api/docs/index.html']) {
        const { status, headers } = await fetch(issuer.url + path);
        const policy = headers.get('content-security-policy') ?? '';
        expect([path, status]).toEqual([path, 200]);
        expect(policy).toContain("default-src 'none'; script-src 'self';");
        expect(policy).toContain("frame-ancestors 'none'");
        expect(headers.get('x-frame-options')).toBe('DENY');
      }
    });

    it.each(['/oauth/discovery/keys', '/api/openapi.json', '/-/readiness', '/nothing', '/%zz'])(
      'lets the answer of %s load nothing, and be nothing but its type',
      async (path) => {
        const { headers } = await fetch(issuer.url + path);
        expect(headers.get('content-security-policy')).toBe(
          "default-src 'none'; frame-ancestors 'none'",
        );
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        // A proxy ends TLS: it is the one to say so.
        expect(headers.get('strict-transport-security')).toBeNull();
      },
    );

    describeUnless(missingProgram('chromium', 'chromium'))('in a browser', () => {
      it('leaves /api/docs as it was', async () => {
        const { dom, log } = await openInChromium(`${issuer.url}/api/docs`);
        expect(dom).toMatch(/class="opblock-summary-path"[^>]*>.*\/api\/v1\/licenses/s);
        expect(log).not.toMatch(/CONSOLE.*(Content Security Policy|Refused|Error)/);
      });
    });
  });

  describe('a listener with TLS of its own', () => {
    let issuer: TestIssuer;
    let folder: string;
    const pair = selfSignedCertificate();
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tls-'));
      const files = { TLS_CERT_FILE: join(folder, 'cert'), TLS_KEY_FILE: join(folder, 'key') };
      await writeFile(files.TLS_CERT_FILE, pair.cert);
      await writeFile(files.TLS_KEY_FILE, pair.key);
      issuer = await startTestIssuer({ environment: files });
    });
    afterAll(async () => {
      await issuer.stop();
      await rm(folder, { recursive: true });
    });

    it.each([
      ['a key set', 'GET /oauth/discovery/keys HTTP/1.1\r\nHost: a', '200'],
      ['an unknown route', 'GET /nothing HTTP/1.1\r\nHost: a', '404'],
      ['an admin without a token', 'GET /api/v1/licenses HTTP/1.1\r\nHost: a', '401'],
      ['a URL that cannot be decoded', 'GET /%zz HTTP/1.1\r\nHost: a', '400'],
      ['a request without a host', 'GET /-/liveness HTTP/1.1', '400'],
      ['an unknown expectation', 'GET /-/liveness HTTP/1.1\r\nHost: a\r\nExpect: tea', '400'],
      ['a request that cannot be read', 'GET / HTTP/9.9', '400'],
    ])('says on the answer to %s that browsers come by TLS only', async (_what, head, status) => {
      const answer = await ask(Number(new URL(issuer.url).port), pair.cert, head);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toMatch(HSTS);
    });
  });
});

describe('a handler of the admin API', () => {
  let issuer: TestIssuer;
  let app: NestFastifyApplication;
  beforeAll(async () => {
    issuer = await startTestIssuer();
    const { config } = issuer.running;
    const logger = createLogger('silent');
    const catalog = loadCatalog(shippedCatalogDirectory());
    const dataSource = dataSourceOptions(config);
    const clock = new Clock();
    const house = AppModule.on({ config, dataSource, catalog, clock, logger });
    app = await NestFactory.create<NestFastifyApplication>(
      { module: EchoModule, imports: [house, AccessControlModule] },
      httpServer(config, logger, null),
      { logger: false, bodyParser: false },
    );
    await app.get(Database).connect(issuer.database.url);
    await app.init();
  });
  afterAll(async () => {
    await app.close();
    await issuer.stop();
  });

  it('knows the name of the API token that asks', async () => {
    const authorization = `Bearer ${issuer.adminToken}`;
    const answers = await Promise.all(
      [1, 2].map(() => app.inject({ url: '/api/v1/asked_by', headers: { authorization } })),
    );
    for (const answer of answers) {
      expect(answer.json()).toMatchObject({ name: 'bootstrap', role: 'owner' });
    }
  });
});

interface OperationJson {
  readonly description?: string;
  readonly requestBody?: { readonly required?: boolean; readonly content: object };
}

interface SchemaJson {
  readonly properties?: Readonly<Record<string, object>>;
}

function wide(member: (n: number) => [string, number]): string {
  return JSON.stringify(Object.fromEntries(Array.from({ length: 3000 }, (_, n) => member(n))));
}

/** The answers that come back; a connection that is reset may lose one. */
function answersTo(url: string, bytes: string): Promise<string[]> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  socket.on('error', () => undefined).write(bytes);
  return new Promise((done) => {
    socket.on('close', () => {
      done(received.split('HTTP/1.1 ').slice(1));
    });
  });
}

/** The bytes that come back until the connection ends. */
function ask(port: number, ca: string, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca, servername: 'localhost' });
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket.on('error', reject).on('close', () => {
      resolve(answer.replaceAll('\r', ''));
    });
    socket.write(`${head}\r\nConnection: close\r\n\r\n`);
  });
}

/** The page once its scripts have run, and what the browser says of it. */
async function openInChromium(
  url: string,
): Promise<{ readonly dom: string; readonly log: string }> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update'];
  const args = [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-sync', ...quiet],
    ...[`--user-data-dir=${profile}`, '--enable-logging=stderr', '--virtual-time-budget=10000'],
    ...['--dump-dom', url],
  ];
  try {
    const options = { maxBuffer: 2 ** 26, timeout: 60_000 };
    const { stdout, stderr } = await promisify(execFile)('chromium', args, options);
    return { dom: stdout, log: stderr };
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

@AdminApi('test')
class EchoController {
  @Get('asked_by')
  read(@AskedBy() principal: Principal): Principal {
    return principal;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

/** What the controllers answer to, as they declare it. */
function routesOf({ running: { app } }: TestIssuer): string[] {
  const rooms = [...app.get(ModulesContainer).values()];
  return rooms
    .flatMap(({ controllers }) => [...controllers.values()])
    .flatMap(({ metatype }) => {
      const prototype = (metatype as { prototype: Readonly<Record<string, object>> }).prototype;
      const prefix = Reflect.getMetadata(PATH_METADATA, metatype as object) as string;
      return new MetadataScanner().getAllMethodNames(prototype).flatMap((name) => {
        const handler = prototype[name] ?? {};
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        if (method === undefined) return [];
        const path = `/${prefix}/${Reflect.getMetadata(PATH_METADATA, handler) as string}`;
        const template = path.replaceAll(/\/+/g, '/').replace(/(.)\/$/, '$1');
        return [`${RequestMethod[method]} ${template.replaceAll(/:(\w+)/g, '{$1}')}`];
      });
    });
}
