import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { ApiTokenLookUp } from '../../src/access-control/api-token-look-up.js';
import { Deadline } from '../../src/database/deadline.js';
import { KeySetFetches } from '../../src/signing-keys/key-set-fetches.js';
import { select } from '../contract/ledger.js';
import { licenseBody, makeActivationCode, registerPaidLicense } from '../support/builders.js';
import { describeUnless, missingProgram } from '../support/debian.js';
import { FakeClock } from '../support/fake-clock.js';
import { type ReverseProxy, startHaproxy, startNginx } from '../support/reverse-proxies.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const BURST = 100;
/** Far more than there are proxies anywhere, and still within the bound of all headers. */
const ENDLESS = 1200;

type Headers = Readonly<Record<string, string | string[]>>;

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Headers;
  readonly body?: unknown;
  /** The address that the issuer, or the proxy before it, sees as its peer. */
  readonly from?: string;
  readonly port?: number;
}

interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Trusts 127.0.0.1, so that a test can be a proxy, or from any other loopback address a client. */
let issuer: TestIssuer;
beforeAll(async () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  const environment = { TRUSTED_PROXIES: '127.0.0.1/32, 10.0.0.0/8, 2001:db8:ffff::/48' };
  issuer = await startTestIssuer({ clock, environment });
});
afterAll(() => issuer.stop());

function send({ method = 'GET', path = '/', headers, body, from, port }: Sent): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...{ host: '127.0.0.1', port: port ?? Number(new URL(issuer.url).port), method, path },
      ...{ localAddress: from ?? '127.0.0.1', agent: false },
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A guess at a license key. The code of its answer says whether its address has guessed too often before. */
async function guess(sent: Sent): Promise<'LICENSE_NOT_FOUND' | 'RATE_LIMITED'> {
  const query =
    '{ cloudConnectorAccess(licenseKey: "guess", gitlabVersion: "18.0.0") { catalog } }';
  const { text } = await send({ method: 'POST', path: '/graphql', body: { query }, ...sent });
  const { errors } = JSON.parse(text) as {
    readonly errors: readonly [{ readonly extensions: { readonly code: 'RATE_LIMITED' } }];
  };
  return errors[0].extensions.code;
}

/** Uses up the guesses of an address. The clock stands still, so that it gets none back. */
async function spend(sent: Sent): Promise<void> {
  let guesses = 0;
  while ((await guess(sent)) !== 'RATE_LIMITED') guesses += 1;
  expect(guesses).toBeLessThanOrEqual(BURST);
}

const xff = (value: string | string[]): Headers => ({ 'x-forwarded-for': value });
const forwarded = (value: string | string[]): Headers => ({ forwarded: value });

describe('the address of a client', () => {
  const SPENT = '192.0.2.1';
  const SPENT_6 = '2001:db8:1:2::1';
  const MANY_PROXIES = Array.from({ length: ENDLESS }, () => '10.0.0.1').join(',');

  beforeAll(async () => {
    await spend({ headers: xff(SPENT) });
    await spend({ headers: xff(SPENT_6) });
  });

  it.each<[string, Headers]>([
    ['nginx', xff(`6.6.6.6, ${SPENT}`)],
    ['HAProxy, which adds a header', xff(['6.6.6.6', SPENT])],
    ['Traefik and Envoy behind another trusted proxy', xff(`6.6.6.6,${SPENT},10.1.2.3`)],
    ['Cloudflare before a load balancer', xff([`6.6.6.6, ${SPENT}`, '10.0.0.9', '10.0.0.8'])],
    ['Azure Application Gateway, with ports', xff(`6.6.6.6:1, ${SPENT}:50123, 10.0.0.7:443`)],
    ['the same from another port', xff(`${SPENT}:50124`)],
    ['an IPv4 address in IPv6', xff(`::ffff:${SPENT}`)],
    ['an IPv4 address in IPv6, as hexadecimal', xff('0:0:0:0:0:FFFF:c000:0201')],
    ['an IPv4 address in IPv6, with a port', xff(`[::ffff:${SPENT}]:50123`)],
    ['blanks, tabs and empty elements', xff(`6.6.6.6, ,\t${SPENT} \t, ,`)],
    ['an empty header before it', xff(['', SPENT])],
    ['quotes', xff(`"${SPENT}:50123"`)],
    ['a quote that the client left open', xff(`"6.6.6.6, ${SPENT}`)],
    ['what the client called a trusted proxy', xff(`10.0.0.1, 127.0.0.1, ${SPENT}`)],
    ['an endless list of the client', xff(`${MANY_PROXIES},${SPENT}`)],
    ['Forwarded', forwarded(`for=6.6.6.6, for=${SPENT}`)],
    ['Forwarded with all parameters', forwarded(`for=${SPENT};by=10.0.0.1;host=a;proto=https`)],
    ['Forwarded with for at the end', forwarded(`proto=https ; host="a, b;c" ; for="${SPENT}"`)],
    ['Forwarded, in capitals', forwarded(`For="${SPENT}:47011"; Proto=HTTPS`)],
    ['Forwarded with an obfuscated port', forwarded(`for="${SPENT}:_port"`)],
    ['Forwarded with a port and without quotes', forwarded(`for=${SPENT}:47011`)],
    ['Forwarded with escapes in quotes', forwarded(`for="192\\.0.2.1";host="a\\"b, for=6.6.6.6"`)],
    ['Forwarded in several headers', forwarded(['for=6.6.6.6', `for=${SPENT}`, 'for=10.0.0.1'])],
    ['Forwarded after a quote left open', forwarded(`for=6.6.6.6;by=", for=${SPENT}`)],
    ['Forwarded after something unreadable', forwarded(`;;for=";, for=${SPENT}`)],
    ['both headers, which agree', { ...xff(`1.1.1.1, ${SPENT}`), ...forwarded(`for=${SPENT}`) }],
    [
      'both headers, of which one names proxies only',
      { ...xff('10.0.0.1, 10.0.0.2'), ...forwarded(`for="${SPENT}:1";proto=https`) },
    ],
  ])(`is read from %s`, async (_of, headers) => {
    expect(await guess({ headers })).toBe('RATE_LIMITED');
  });

  it.each<[string, Headers]>([
    ['bare', xff('2001:db8:1:2:3:4:5:6')],
    ['in capitals', xff('2001:DB8:1:2::A')],
    ['in brackets', xff('[2001:db8:1:2::3]')],
    ['in brackets with a port', xff('[2001:db8:1:2::3]:50123')],
    ['without brackets, with a port (AWS)', xff('2001:db8:1:2:3:4:5:6:50123')],
    ['with a zone', xff('2001:db8:1:2::3%eth0')],
    ['with a zone in brackets', xff('[2001:db8:1:2::3%25eth0.1]:50123')],
    ['behind a trusted proxy with IPv6', xff('[2001:db8:1:2::3]:50123, [2001:db8:ffff::1]:443')],
    ['in Forwarded', forwarded('for="[2001:db8:1:2::3]"')],
    ['in Forwarded with a port', forwarded('For="[2001:DB8:1:2::3]:4711"')],
    ['in Forwarded without quotes', forwarded('for=[2001:db8:1:2::3];proto=https')],
    ['in Forwarded without quotes and brackets', forwarded('for=2001:db8:1:2::3')],
  ])('is that of its /64, with IPv6 %s', async (_written, headers) => {
    expect(await guess({ headers })).toBe('RATE_LIMITED');
  });

  it.each<[string, Sent]>([
    ['another address', { headers: xff(`${SPENT}, 192.0.2.2`) }],
    ['another /64', { headers: xff('2001:db8:1:3::1') }],
    ['another address in Forwarded', { headers: forwarded(`for=${SPENT}, for="192.0.2.3:80"`) }],
    ['the peer, if it is not trusted', { headers: xff(SPENT), from: '127.0.0.2' }],
    ['that peer, with Forwarded', { headers: forwarded(`for=${SPENT}`), from: '127.0.0.2' }],
    ['a trusted proxy without headers', {}],
    ['a trusted proxy with empty headers', { headers: { ...xff(' ,,'), ...forwarded('') } }],
    ['the farthest of trusted proxies', { headers: xff('10.9.9.9, 10.0.0.1') }],
  ])('is not that one for %s', async (_who, sent) => {
    expect(await guess(sent)).toBe('LICENSE_NOT_FOUND');
  });

  describe('that is not known', () => {
    it('is one for all such clients, with any text that they write', async () => {
      for (let n = 0; n < BURST; n += 1) {
        expect(await guess({ headers: xff(`192.0.2.${n}x`) })).toBe('LICENSE_NOT_FOUND');
      }
      expect(await guess({ headers: xff('something else') })).toBe('RATE_LIMITED');
    });

    it.each<[string, Headers]>([
      ['unknown', xff('192.0.2.9, unknown')],
      ['an obfuscated identifier', xff('192.0.2.9, _hidden')],
      ['a host name', xff('client.example.com')],
      ['half an address', xff('192.0.2')],
      ['a number', xff('3221225993')],
      ['leading zeros', xff('192.000.002.009')],
      ['an obsolete form of IPv6', xff('::192.0.2.9')],
      ['two ports', xff('192.0.2.9:80:80')],
      ['no address in brackets', xff('[]:80')],
      ['addresses that no comma separates', xff('192.0.2.9 192.0.2.10')],
      ['more trusted proxies than there are', xff(`192.0.2.9,${MANY_PROXIES}`)],
      ['Forwarded: unknown', forwarded('for=192.0.2.9, for=unknown')],
      ['Forwarded: unknown with a port', forwarded('for="unknown:80"')],
      ['Forwarded: _hidden', forwarded('for="_gazonk"')],
      ['Forwarded without for', forwarded('for=192.0.2.9, proto=https;by=10.0.0.1')],
      ['Forwarded with for twice', forwarded('for=192.0.2.9;for=192.0.2.10')],
      ['Forwarded with nothing behind for', forwarded('for=')],
      ['Forwarded like X-Forwarded-For', forwarded('192.0.2.9')],
      ['Forwarded with a quote left open', forwarded('for="192.0.2.9')],
      ['two headers that disagree', { ...xff('192.0.2.9'), ...forwarded('for=192.0.2.10') }],
      ['a header beside unknown', { ...xff('192.0.2.9'), ...forwarded('for=unknown') }],
      ['a header beside nonsense', { ...xff('nonsense'), ...forwarded('for=192.0.2.9') }],
      ['two lists of trusted proxies', { ...xff('10.0.0.1'), ...forwarded('for=10.0.0.2') }],
    ])('is not taken from %s', async (_of, headers) => {
      expect(await guess({ headers })).toBe('RATE_LIMITED');
    });
  });

  it('is counted among the fetches of the key set in the same way', async () => {
    const path = '/oauth/discovery/keys';
    const fetchKeys = (userAgent: string, headers: Headers) =>
      send({ path, headers: { 'user-agent': userAgent, ...headers } });
    await fetchKeys('azure', xff('198.51.100.7:50123'));
    await fetchKeys('rfc7239', forwarded('for="[2001:db8:5::1]:80"'));
    await fetchKeys('forger', { ...xff('198.51.100.7'), ...forwarded('for=6.6.6.6') });
    await issuer.running.app.get(KeySetFetches).flush();
    const rows = await select(issuer, 'SELECT user_agent, network FROM key_set_fetches ORDER BY 1');
    expect(rows).toEqual([
      { user_agent: 'azure', network: '198.51.100.0/24' },
      { user_agent: 'forger', network: 'other' },
      { user_agent: 'rfc7239', network: '2001:db8:5::/48' },
    ]);
  });
});

describe('the metrics', () => {
  /** Not named in TRUSTED_PROXIES. */
  const LOCAL = '127.0.0.2';
  const path = '/-/metrics';

  it.each(['127.0.0.1:3000', 'localhost', 'LOCALHOST:3000', '[::1]:3000'])(
    'are open to a client on the host itself, which asks %s',
    async (host) => {
      const { status, text } = await send({ path, from: LOCAL, headers: { host } });
      expect([status, text]).toEqual([200, expect.stringContaining('issuer_syncs_total')]);
    },
  );

  it.each<[string, Sent]>([
    ['a trusted proxy that adds no header', {}],
    ['a trusted proxy of a client on its own host', { headers: xff('127.0.0.2') }],
    ['the host of a public name', { from: LOCAL, headers: { host: 'issuer.example.com' } }],
    ['a name that begins like one', { from: LOCAL, headers: { host: 'localhost.example.com' } }],
    ['another address', { from: LOCAL, headers: { host: '192.0.2.1:3000' } }],
    ...[
      ...['X-Forwarded-For', 'X-Forwarded-Proto', 'Forwarded', 'X-Real-IP', 'Via', 'CDN-Loop'],
      ...['CF-Ray', 'True-Client-IP', 'Client-IP', 'X-Cluster-Client-Ip', 'X-Azure-ClientIP'],
      ...['X-Original-Forwarded-For', 'X-Envoy-External-Address', 'Fastly-Client-IP'],
    ].map((name): [string, Sent] => [
      `a proxy that adds ${name}`,
      { from: LOCAL, headers: { [name]: '127.0.0.1' } },
    ]),
  ])('are closed to %s, and open to it with a token', async (_who, { headers, from }) => {
    const asked = { path, ...(from === undefined ? {} : { from }) };
    const refused = await send({ ...asked, headers: { ...headers } });
    expect(refused.status).toBe(401);
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'UNAUTHENTICATED' });
    const authorization = `Bearer ${issuer.adminToken}`;
    expect((await send({ ...asked, headers: { ...headers, authorization } })).status).toBe(200);
  });
});

describe('the id of a request', () => {
  const OWN = /^[0-9a-f]{8}-\d+$/;
  const path = '/api/v1/whoami';
  const idOf = async (sent: Sent) => (await send({ path, ...sent })).headers['x-request-id'];
  const id = (value: string | string[]): Headers => ({ 'x-request-id': value });

  it.each([
    ['nginx', 'a3f1c2d4e5f60718293a4b5c6d7e8f90'],
    ['Envoy', '6b0e9c1a-3f52-4c0e-9a53-0f2a5d1c7b88'],
    ['HAProxy', '7F000001:C3A2_7F000001:1F90_65F0A1B2_0001:0F3C'],
    ['a tracer', 'Root=1-67891233-abcdef012345678912345678'],
    ['a base64 encoder', 'q83vEjRWeJq8/+A='],
    ['one that takes all characters', 'aZ09._~:=+/@-'.repeat(10).slice(0, 128)],
  ])('is kept from a trusted proxy, as %s makes it', async (_proxy, given) => {
    expect(await idOf({ headers: id(given) })).toBe(given);
    const unknownRoute = await send({ path: '/nowhere', headers: id(given) });
    expect(unknownRoute.headers['x-request-id']).toBe(given);
    expect(issuer.logs.filter((line) => line.includes(`"requestId":"${given}"`))).toHaveLength(2);
  });

  it('is kept where a request is refused before it has a route', async () => {
    const refused = await send({ headers: { ...id('kept-1'), expect: 'something' } });
    expect([refused.status, refused.headers['x-request-id']]).toEqual([400, 'kept-1']);
  });

  it.each<[string, Headers]>([
    ['is empty', id('')],
    ['is too long', id('a'.repeat(129))],
    ['has a blank', id('a b')],
    ['has quotes', id('a"b')],
    ['could be markup', id('<b>')],
    ['has a letter of another alphabet', id('\u00e9')],
    ['is there twice', id(['one', 'two'])],
  ])('is a new one if that of the proxy %s', async (_how, headers) => {
    expect(await idOf({ headers })).toMatch(OWN);
  });

  it('is a new one for a client that no trusted proxy brings', async () => {
    expect(await idOf({ headers: id('mine'), from: '127.0.0.2' })).toMatch(OWN);
  });
});

describe('failed API tokens', () => {
  const AT_ONCE = 20;
  const tryToken = (address: string, authorization = `Bearer ${randomBytes(32).toString('hex')}`) =>
    send({ path: '/api/v1/licenses', headers: { ...xff(address), authorization } });
  const statusOf = async (answer: Promise<Received>) => (await answer).status;

  async function fail(times: number, address: string): Promise<number[]> {
    const tries = Array.from({ length: times }, () => statusOf(tryToken(address)));
    return Promise.all(tries);
  }

  it('are limited by address, as a problem that says how long to wait', async () => {
    expect(new Set(await fail(AT_ONCE, '192.0.2.50'))).toEqual(new Set([401]));
    const { status, headers, text } = await tryToken('192.0.2.50');
    expect([status, headers['content-type']]).toEqual([429, 'application/problem+json']);
    expect(JSON.parse(text)).toMatchObject({ status: 429, code: 'RATE_LIMITED' });
    expect(headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect(await fail(1, '192.0.2.51')).toEqual([401]);
  });

  it('never limit a good token, even when others fail at its address', async () => {
    expect(await fail(AT_ONCE + 10, '192.0.2.52')).toContain(429);
    const good = `Bearer ${issuer.adminToken}`;
    for (let n = 0; n < AT_ONCE; n += 1) {
      expect(await statusOf(tryToken('192.0.2.52', good))).toBe(200);
    }
    expect(await fail(1, '192.0.2.52')).toEqual([429]);
  });

  it.each<[string, Headers]>([
    ['none', {}],
    ['no bearer token', { authorization: 'Basic YWRtaW46YWRtaW4=' }],
    ['an empty one', { authorization: 'Bearer' }],
  ])('are not counted where a request has %s', async (_token, headers) => {
    for (let n = 0; n < AT_ONCE + 1; n += 1) {
      const sent = { path: '/api/v1/licenses', headers: { ...xff('192.0.2.53'), ...headers } };
      expect(await statusOf(send(sent))).toBe(401);
    }
    expect(await fail(1, '192.0.2.53')).toEqual([401]);
  });

  it('are counted together on all routes that take a token, the metrics too', async () => {
    await fail(AT_ONCE, '192.0.2.54');
    const headers = { ...xff('192.0.2.54'), authorization: 'Bearer wrong' };
    for (const path of ['/-/metrics', '/api/v1/whoami-or-nothing', '/api/v1/catalog']) {
      const status = await statusOf(send({ path, headers }));
      expect([path, status]).toEqual([path, path.includes('nothing') ? 404 : 429]);
    }
  });

  it('take nothing from the guesses at license keys, and these nothing from them', async () => {
    await fail(AT_ONCE + 1, '192.0.2.55');
    expect(await guess({ headers: xff('192.0.2.55') })).toBe('LICENSE_NOT_FOUND');
    await spend({ headers: xff('192.0.2.56') });
    expect(await fail(1, '192.0.2.56')).toEqual([401]);
  });

  it('share one statement when they come together, and leave no row', async () => {
    const lookUp = issuer.running.app.get(ApiTokenLookUp, { strict: false });
    const before = await statements();
    const tokens = [...Array.from({ length: 99 }, (_, n) => `wrong ${n}`), issuer.adminToken];
    const found = await Promise.all(
      tokens.map((token) => lookUp.principalOf(token, new Deadline(5000))),
    );
    expect(found.filter((principal) => principal !== null)).toEqual([
      expect.objectContaining({ name: 'bootstrap', role: 'owner' }),
    ]);
    expect(found.at(-1)).not.toBeNull();
    // One is that of the metrics in between.
    expect((await statements()) - before).toBe(2);
    expect(await select(issuer, 'SELECT name FROM api_tokens')).toEqual([{ name: 'bootstrap' }]);
  });

  it('show in a metric', async () => {
    const text = await (await issuer.admin('GET', '../../-/metrics')).text();
    for (const code of ['UNAUTHENTICATED', 'LICENSE_NOT_FOUND']) {
      for (const limited of [true, false]) {
        expect(text).toMatch(
          new RegExp(
            `^issuer_failed_look_ups_total\\{code="${code}",limited="${limited}"\\} [1-9]`,
            'm',
          ),
        );
      }
    }
  });

  /** How often API tokens were looked up in the database. */
  async function statements(): Promise<number> {
    const text = await (await issuer.admin('GET', '../../-/metrics')).text();
    const count = /^issuer_database_seconds_count\{statement="api_token_look_up"\} (\d+)$/m.exec(
      text,
    );
    return Number(count?.[1]);
  }
});

describe('the line of a request in the log', () => {
  const INSTANCE = '5f7a6c1e-0b7e-4a54-9d3e-2f1f0c6a9b11';
  const NAMES = { name: 'Ada Lovelace', email: 'ada@log.example.com', company: 'Analytical Ltd' };
  let requests = 0;
  let license: { readonly id: string; readonly licenseKey: string };
  let revoked: { readonly id: string; readonly licenseKey: string };
  let code: string;
  let revokedsCode: string;

  beforeAll(async () => {
    license = await registerPaidLicense(issuer, { licensee: NAMES });
    revoked = await registerPaidLicense(issuer, { licensee: NAMES });
    ({ code } = await makeActivationCode(issuer, license.id));
    ({ code: revokedsCode } = await makeActivationCode(issuer, revoked.id));
    await issuer.admin('POST', `licenses/${revoked.id}/revoke`);
  });

  async function lineOf(sent: Sent): Promise<Record<string, unknown>> {
    const id = `line-${(requests += 1)}`;
    await send({ ...sent, headers: { ...sent.headers, 'x-request-id': id } });
    const lines = issuer.logs.map((line) => JSON.parse(line) as Record<string, unknown>);
    const [line, ...others] = lines.filter((one) => one['requestId'] === id);
    expect(others).toEqual([]);
    return line ?? {};
  }

  const post = (path: string, body: unknown, headers: Headers = {}): Sent => ({
    ...{ method: 'POST', path, body, headers },
  });
  const sync = (key: string, instance: string | null = INSTANCE): Sent =>
    post(
      '/graphql',
      {
        query: `query ($k: String!) { cloudConnectorAccess(licenseKey: $k, gitlabVersion: "18.6.0") {
          serviceToken { token } } }`,
        variables: { k: key },
      },
      instance === null ? {} : { 'x-gitlab-instance-id': instance },
    );
  const activation = (activationCode: string): Sent =>
    post('/graphql', {
      query: `mutation ($c: String!, $i: String!) {
        cloudActivationActivate(input: { activationCode: $c, instanceIdentifier: $i }) { errors } }`,
      variables: { c: activationCode, i: INSTANCE },
    });
  const seatLink = (key: string): Sent =>
    post('/api/v1/seat_links', {
      ...{ license_key: key, instance_id: INSTANCE, hostname: 'gitlab.log.example.com' },
      ...{ billable_users_count: 3 },
    });

  const both = () => ({ licenseId: license.id, instanceUuid: INSTANCE });
  const denied = () => ({ licenseId: revoked.id, instanceUuid: INSTANCE });
  it.each<[string, () => Sent, () => Record<string, unknown>]>([
    ['a sync', () => sync(license.licenseKey), both],
    [
      'a denied sync',
      () => sync(revoked.licenseKey),
      () => ({ ...denied(), code: 'LICENSE_REVOKED' }),
    ],
    [
      'a sync that names no instance',
      () => sync(revoked.licenseKey, null),
      () => ({ licenseId: revoked.id, code: 'LICENSE_REVOKED' }),
    ],
    [
      'a sync that names it wrongly',
      () => sync(license.licenseKey, 'not set'),
      () => ({ licenseId: license.id, code: 'INSTANCE_ID_INVALID' }),
    ],
    [
      'a sync with an unknown key',
      () => ({ ...sync('unknown-key-of-nobody') }),
      () => ({
        instanceUuid: INSTANCE,
        code: expect.stringMatching(/LICENSE_NOT_FOUND|RATE_LIMITED/) as string,
      }),
    ],
    ['an activation', () => activation(code), both],
    [
      'a refused activation',
      () => activation(revokedsCode),
      () => ({ ...denied(), code: 'LICENSE_REVOKED' }),
    ],
    ['a seat link', () => seatLink(license.licenseKey), both],
    [
      'a refused seat link',
      () => seatLink(revoked.licenseKey),
      () => ({ ...denied(), code: 'LICENSE_REVOKED' }),
    ],
  ])('says about %s which license and instance it is', async (_what, sent, ids) => {
    const { licenseId, instanceUuid, code } = await lineOf(sent());
    expect(known({ licenseId, instanceUuid, code })).toEqual(ids());
  });

  it('says about a request of an admin which license and instance it is', async () => {
    const authorization = `Bearer ${issuer.adminToken}`;
    const ask = async (method: string, path: string, body?: unknown) => {
      const line = await lineOf({
        method,
        path: `/api/v1/${path}`,
        body,
        headers: { authorization },
      });
      const { licenseId, instanceUuid, instanceId } = line;
      return known({ licenseId, instanceUuid, instanceId });
    };
    const { items } = (await (
      await issuer.admin('GET', `instances?license_id=${license.id}`)
    ).json()) as { readonly items: readonly [{ readonly id: string }] };
    const [{ id }] = items;
    const ofLicense = { licenseId: license.id };
    const ofInstance = { ...ofLicense, instanceUuid: INSTANCE, instanceId: id };
    expect(await ask('GET', `licenses/${license.id}`)).toEqual(ofLicense);
    expect(await ask('PATCH', `licenses/${license.id}`, { seats: 0 })).toEqual(ofLicense);
    expect(await ask('GET', `licenses/${license.id}/entitlements`)).toEqual(ofLicense);
    expect(await ask('GET', `instances/${id}`)).toEqual(ofInstance);
    expect(await ask('POST', `instances/${id}/service_tokens/revoke`, {})).toEqual({
      ...{ licenseId: license.id, instanceId: id },
    });
    const added = (await ask('POST', 'licenses', licenseBody())) as { readonly licenseId: string };
    expect((await issuer.admin('GET', `licenses/${added.licenseId}`)).status).toBe(200);
    expect(await ask('GET', 'licenses')).toEqual({});
  });

  it('says nothing of whom a stranger asks for', async () => {
    const line = await lineOf({ path: `/api/v1/licenses/${license.id}` });
    expect(line).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect(JSON.stringify(line)).not.toContain(license.id);
  });

  it('never has a name or a key', () => {
    const log = issuer.logs.join('');
    const secrets = [
      license.licenseKey,
      revoked.licenseKey,
      code,
      revokedsCode,
      'unknown-key-of-nobody',
    ];
    for (const text of [...secrets, ...Object.values(NAMES), 'gitlab.log.example.com']) {
      expect(log).not.toContain(text);
    }
  });

  function known(ids: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== undefined));
  }
});

/** What a client forges. A proxy may add to it, replace it or pass it on. */
const FORGED: readonly Headers[] = [
  {},
  xff('6.6.6.6'),
  forwarded('for=6.6.6.6'),
  { ...xff('6.6.6.6'), ...forwarded('for=6.6.6.6;by="') },
];

/** The n-th block of configuration for a program in the manual. */
function recipe(program: string, n: number): string {
  const page = readFileSync('docs/operate/proxies.md', 'utf8');
  const blocks = [...page.matchAll(new RegExp(`\`\`\`${program}\n([^\`]+)\`\`\``, 'g'))];
  return blocks[n]?.[1]?.replaceAll('\n', '\n  ') ?? 'no such recipe';
}

const REAL_PROXIES = [
  {
    name: 'nginx',
    missing: missingProgram('nginx', 'nginx'),
    start: startNginx,
    silent: '',
    ways: {
      'as the manual says': recipe('nginx', 0),
      'the usual way': 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
      'with the peer alone': 'proxy_set_header X-Forwarded-For $remote_addr;',
      'with ports': 'proxy_set_header X-Forwarded-For "$remote_addr:$remote_port";',
      'with Forwarded': `proxy_set_header Forwarded "$http_forwarded, for=\\"$remote_addr:$remote_port\\"";
                         proxy_set_header X-Forwarded-For "";`,
    },
  },
  {
    name: 'HAProxy',
    missing: missingProgram('haproxy', 'haproxy'),
    start: startHaproxy,
    silent: '# adds nothing',
    ways: {
      'as the manual says': recipe('haproxy', 0),
      'as the manual says, with Forwarded': recipe('haproxy', 1),
      'the usual way': 'option forwardfor',
      'with ports': 'http-request set-header X-Forwarded-For %[src]:%[src_port]',
      'with Forwarded': `http-request add-header Forwarded for=%[src]:%[src_port];proto=http
  http-request del-header X-Forwarded-For`,
      'with both headers': `option forwardfor
  http-request add-header Forwarded "for=%[src]"`,
    },
  },
];

describe.each(REAL_PROXIES)('behind a real $name', ({ missing, start, ways, silent }) => {
  describeUnless(missing)('the issuer', () => {
    const CLIENT = '127.0.0.77';
    let proxy: ReverseProxy;

    beforeAll(async () => {
      proxy = await start(issuer.url, { ...ways, silent });
      await spend({ from: CLIENT });
      // A client who forges a second header is not known.
      await spend({ headers: xff('unknown') });
    });
    afterAll(() => proxy.stop());

    it.each(Object.keys(ways))('knows each client that it names %s', async (way) => {
      const port = proxy.portOf(way);
      expect(await guess({ port, from: CLIENT })).toBe('RATE_LIMITED');
      expect(await guess({ port, from: '127.0.0.78' })).toBe('LICENSE_NOT_FOUND');
    });

    it.each(Object.keys(ways).filter((way) => way.startsWith('as the manual')))(
      'knows a client that forges headers, and takes the id of the proxy, %s',
      async (way) => {
        for (const [index, headers] of FORGED.entries()) {
          const sent = { port: proxy.portOf(way), from: `127.0.0.${80 + index}`, headers };
          // Had the headers hidden it, it would share a limit that is spent.
          expect(await guess(sent)).toBe('LICENSE_NOT_FOUND');
          const { headers: answered } = await send({ ...sent, path: '/api/v1/whoami' });
          expect(answered['x-request-id']).toMatch(/^[0-9a-f-]{32,36}$/);
        }
      },
    );

    it('keeps the metrics closed, also if the proxy adds nothing', async () => {
      for (const way of [...Object.keys(ways), 'silent']) {
        const sent = { port: proxy.portOf(way), path: '/-/metrics', from: CLIENT };
        expect((await send(sent)).status).toBe(401);
      }
    });

    it.each(Object.keys(ways))('lets no client choose that it names %s', async (way) => {
      const port = proxy.portOf(way);
      for (const headers of FORGED) {
        expect(await guess({ port, from: CLIENT, headers })).toBe('RATE_LIMITED');
      }
    });
  });
});
