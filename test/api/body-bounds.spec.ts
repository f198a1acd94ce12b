import { request } from 'node:http';
import { connect } from 'node:net';
import { licenseBody, registerPaidLicense } from '../support/builders.js';
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

describe('a body', () => {
  let issuer: TestIssuer;
  let licenseKey: string;

  beforeAll(async () => {
    issuer = await startTestIssuer();
    ({ licenseKey } = await registerPaidLicense(issuer));
  });
  afterAll(() => issuer.stop());

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

    it('is no request of the sync protocol: the instance keeps its tokens', async () => {
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
