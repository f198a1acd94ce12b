import { request } from 'node:http';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** What every object answers to, whether or not somebody put it there. */
const NAMES = Object.getOwnPropertyNames(Object.prototype);
const INSTANCE_PATHS = ['/graphql', '/api/v1/seat_links'];
const KEYS = '/oauth/discovery/keys';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer({
    environment: { SELF_ISSUED_INSTANCE_ID: '8f1c2b7e-4d3a-4e5f-9a6b-7c8d9e0f1a2b' },
  });
});
afterAll(() => issuer.stop());

describe.each(NAMES)('the name %s, which every object has', (name) => {
  it('finds nothing as a path, a parameter, a header, an id or a member', async () => {
    const statuses = await Promise.all([
      ...['GET', 'POST', 'PUT', 'DELETE'].map((method) => call(method, `/${name}`)),
      ...[`/api/v1/${name}`, `/api/v1/licenses/${name}`, `/status/${name}`].map((path) =>
        call('GET', path),
      ),
      call('GET', `/api/v1/licenses?${name}=1`),
      call('GET', `/api/v1/licenses?cursor=${name}`),
      call('GET', `/api/v1/allowed_to_use?user=${name}&unit_primitive=${name}`),
      call('POST', `/api/v1/signing_keys/${name}/revoke`, {}),
      call('POST', '/api/v1/licenses', member(name)),
      call('POST', '/api/v1/self_issued_tokens', { user: '1', extra_claims: member(name) }),
      call('POST', `/api/v1/namespaces/${name}/add_on_purchases`, { add_on: name, plan: name }),
    ]);
    // Fastify's parser of JSON stops at this one.
    const refused = name === '__proto__' ? 400 : 422;
    expect(statuses).toEqual([
      ...[404, 404, 404, 404],
      ...[404, 404, 404],
      ...[422, 422],
      // Nobody has a seat in a namespace that this service was never told of.
      200,
      ...[404, refused, refused, 422],
    ]);
    expect(await call('GET', `${KEYS}?${name}=1`, undefined, { [name]: name })).toBe(200);
  });

  it('is answered to an instance in the words that it knows', async () => {
    const sync = `{ cloudConnectorAccess(licenseKey: "${name}", gitlabVersion: "18.5.0") { ${name} } }`;
    const bodies = [
      { query: sync },
      { query: `query ${name} { ${name} }`, operationName: name },
      {
        query: `query($${name}: String!) { ${name}: ${name}(${name}: $${name}) }`,
        variables: member(name),
      },
      { query: '{ __typename }', operationName: name },
      member(name),
      {
        license_key: name,
        add_on_metrics: [{ add_on_type: name, purchased_seats: 1, assigned_seats: 1 }],
      },
    ];
    const asked = INSTANCE_PATHS.flatMap((path) =>
      bodies.map((body) => call('POST', path, body, { 'x-gitlab-instance-id': name, [name]: 'x' })),
    );
    for (const status of await Promise.all(asked)) expect([200, 422]).toContain(status);
  });
});

/** As JSON has it: a member of its own, which is called `__proto__`, say. */
function member(name: string): object {
  return JSON.parse(`{${JSON.stringify(name)}: {"plan": "ultimate"}}`) as object;
}

/** @returns the status; `fetch` would refuse some of the headers */
function call(
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(issuer.url + path, { method }, (response) => {
      response.resume().on('end', () => {
        resolve(response.statusCode ?? 0);
      });
    });
    sent.on('error', reject);
    sent.setHeader('authorization', `Bearer ${issuer.adminToken}`);
    sent.setHeader('content-type', 'application/json');
    for (const [name, value] of Object.entries(headers)) sent.setHeader(name, value);
    sent.end(body === undefined ? '' : JSON.stringify(body));
  });
}
