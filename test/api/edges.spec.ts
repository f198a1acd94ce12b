import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { licenseBody, registerLicense } from '../support/builders.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { answerToBytes, expectProblem } from './problem.js';

const MEBIBYTE = 1_048_576;
const ID = '00000000-0000-7000-8000-000000000000';

/** Every route of the admin API, as its OpenAPI document must list it. */
const ROUTES = [
  'GET /api/v1/add_on_purchases/{id}',
  'PATCH /api/v1/add_on_purchases/{id}',
  'DELETE /api/v1/add_on_purchases/{id}',
  'DELETE /api/v1/add_on_purchases/{id}/seat_assignments',
  'GET /api/v1/add_on_purchases/{id}/seat_assignments',
  'POST /api/v1/add_on_purchases/{id}/seat_assignments',
  'GET /api/v1/allowed_to_use',
  'GET /api/v1/catalog',
  'GET /api/v1/catalog/unit_primitives',
  'GET /api/v1/instances',
  'GET /api/v1/instances/{id}',
  'GET /api/v1/licenses',
  'POST /api/v1/licenses',
  'GET /api/v1/licenses/{id}',
  'PATCH /api/v1/licenses/{id}',
  'GET /api/v1/licenses/{id}/add_on_purchases',
  'POST /api/v1/licenses/{id}/add_on_purchases',
  'GET /api/v1/licenses/{id}/entitlements',
  'POST /api/v1/licenses/{id}/reinstate',
  'POST /api/v1/licenses/{id}/revoke',
  'GET /api/v1/namespaces/{id}',
  'PATCH /api/v1/namespaces/{id}',
  'GET /api/v1/namespaces/{id}/add_on_purchases',
  'POST /api/v1/namespaces/{id}/add_on_purchases',
  'POST /api/v1/self_issued_tokens',
  'GET /api/v1/replicas',
  'DELETE /api/v1/replicas/{id}',
  'GET /api/v1/signing_keys',
] as const;

interface OpenapiJson {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly security?: unknown }>>>
  >;
}

describe('the edges of the admin API', () => {
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  function call(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(issuer.url + path, { method, ...init });
  }

  function post(path: string, body: string | Uint8Array, type: string): Promise<Response> {
    const authorization = `Bearer ${issuer.adminToken}`;
    const headers = { authorization, 'content-type': type };
    return call('POST', path, { headers, body: Buffer.from(body) });
  }

  describe.each(ROUTES)('%s', (route) => {
    const [method = '', template = ''] = route.split(' ');
    const path = template.replace('{id}', ID);

    it('lets nobody in without a token', async () => {
      const response = await call(method, path);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      await expectProblem(response, 401, 'UNAUTHENTICATED');
    });

    it('lets nobody in with a wrong one, nor with the right one in other words', async () => {
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
        await expectProblem(response, 401, 'UNAUTHENTICATED');
      }
      const inUrl = await call(method, `${path}?access_token=${issuer.adminToken}`);
      await expectProblem(inUrl, 401, 'UNAUTHENTICATED');
    });
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
    ['PUT', '/api/v1/licenses'],
    ['DELETE', `/api/v1/licenses/${ID}`],
    ['POST', '/.well-known/openid-configuration'],
    ['GET', '/api/v1/licenses/../../../../etc/passwd'],
  ])('know nothing of %s %s', async (method, path) => {
    const headers = { authorization: `Bearer ${issuer.adminToken}` };
    await expectProblem(await call(method, path, { headers }), 404, 'NOT_FOUND');
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

  it('take an empty body for none, whatever type it is announced as', async () => {
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
  ])('answer what is no request with %s %s, and hang up', async (status, code, text) => {
    const response = await answerToBytes(issuer.url, `${text}\r\n\r\n`);
    await expectProblem(response, status, code);
    expect(response.headers.get('connection')).toBe('close');
    expect(issuer.logs.join('')).toContain(response.headers.get('x-request-id') ?? 'none');
  });

  it('answer an instance in its own words, where its request says so much', async () => {
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
      expect(listed).toEqual(expect.arrayContaining([...ROUTES]));
      for (const path of listed) expect(path).toContain(' /api/v1/');
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
