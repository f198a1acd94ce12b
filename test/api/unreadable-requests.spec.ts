import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { tlsEnvironment } from '../support/self-signed.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const PROBLEM = 'application/problem+json';
const INHERITED = Object.getOwnPropertyNames(Object.prototype);
const KEYS = 'GET /oauth/discovery/keys HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST_KEYS = KEYS.replace('Host: x', 'Host: x\r\nConnection: close');
const TOO_LONG = `X-Long: ${'x'.repeat(20_000)}\r\n`;

let tlsFolder: string;
let plain: TestIssuer;
let secured: TestIssuer;
beforeAll(async () => {
  tlsFolder = await mkdtemp(join(tmpdir(), 'tls-'));
  plain = await startTestIssuer();
  secured = await startTestIssuer({ environment: await tlsEnvironment(tlsFolder) });
});
afterAll(async () => {
  await plain.stop();
  await secured.stop();
  await rm(tlsFolder, { recursive: true });
});

describe.each(['HTTP', 'TLS'])('what is not a request, over %s', (over) => {
  const issuer = () => (over === 'TLS' ? secured : plain);

  it('harms nobody when its URL is a name that every object has', async () => {
    const texts = INHERITED.flatMap((name) => [
      [`GET ${name} HTTP/1.1\r\n`],
      [`POST ${name}?a=b HTTP/1.1\r\n\r\n`],
      [`GET ${name} HTTP/1.0\r\nHost: x\r\n\r\n`],
    ]);
    // Well-formed, but for the length of the headers; they come in a segment that looks like a request.
    const tooLong = INHERITED.map((name) => [
      'GET /x HTTP/1.1\r\nHost: x\r\nX: ',
      `GET ${name} HTTP/1.1\r\n${TOO_LONG}`,
    ]);
    const asked = [...texts, ...tooLong].map((segments) => ask(issuer(), segments));
    expect((await Promise.all(asked)).flat().map(({ status, type }) => [status, type])).toEqual([
      ...texts.map(() => [400, PROBLEM]),
      ...tooLong.map(() => [431, PROBLEM]),
    ]);
    expect(await ask(issuer(), [LAST_KEYS])).toMatchObject([{ status: 200 }]);
  });

  it('is answered in the words of an instance, where it is all that came', async () => {
    const [graphql] = await ask(issuer(), [
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n',
    ]);
    expect(graphql).toMatchObject({ status: 200, type: 'application/json' });
    expect(JSON.parse(graphql?.body ?? '')).toMatchObject({
      errors: [{ extensions: { code: 'BAD_REQUEST' } }],
    });
    const [seatLink] = await ask(issuer(), [
      'PUT /api/v1/seat_links HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n',
    ]);
    expect(seatLink).toMatchObject({ status: 422, type: 'application/json' });
    expect(JSON.parse(seatLink?.body ?? '')).toMatchObject({ error_attribute_map: {} });
  });

  it('is answered in the words of the request whose body it broke off', async () => {
    const chunked = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n`;
    for (const [path, status] of [
      ['/graphql', 200],
      ['/api/v1/seat_links', 422],
    ] as const) {
      expect(await ask(issuer(), [chunked(path), 'nonsense\r\n'])).toMatchObject([
        { status, type: 'application/json' },
      ]);
    }
  });

  it('is answered in the words of its own request line, not of what else it holds', async () => {
    const graphql = await ask(issuer(), [
      'POST /graphql HTTP/1.1\r\nX: ',
      `GET /api/v1/seat_links HTTP/1.1\r\n${TOO_LONG}\r\n`,
    ]);
    expect(graphql).toMatchObject([{ status: 200, type: 'application/json' }]);
    const behind = await ask(issuer(), [
      KEYS,
      'PUT /api/v1/seat_links HTTP/1.1\r\nContent-Length: x\r\n\r\n',
    ]);
    expect(behind).toMatchObject([{ status: 200 }, { status: 422, type: 'application/json' }]);
  });

  it('gets a problem where its request line is not at hand: nobody keeps that for an answer', async () => {
    const answers = await ask(issuer(), [
      `${KEYS}POST /graphql HTTP/1.1\r\nContent-Length: x\r\n\r\n`,
    ]);
    expect(answers).toMatchObject([{ status: 200 }, { status: 400, type: PROBLEM }]);
  });

  it('is answered after the requests before it, each in its turn', async () => {
    const sync = JSON.stringify({
      query:
        'query($k: String!) { cloudConnectorAccess(licenseKey: $k, gitlabVersion: "18.5.0") { serviceToken { token } } }',
      variables: { k: 'unknown' },
    });
    const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const slow = `${head}Content-Length: ${Buffer.byteLength(sync)}\r\n\r\n${sync}`;
    const answers = await ask(issuer(), [`${slow}${slow}${KEYS}GET constructor HTTP/1.1\r\n\r\n`]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400]);
    expect(
      answers.map(({ body }) => /LICENSE_NOT_FOUND|"keys"|BAD_REQUEST/.exec(body)?.[0]),
    ).toEqual(['LICENSE_NOT_FOUND', 'LICENSE_NOT_FOUND', '"keys"', 'BAD_REQUEST']);
  });

  it('is not answered again by what follows it', async () => {
    const answers = await ask(issuer(), [
      'GET constructor HTTP/1.1\r\n',
      'GET x HTTP/1.1\r\n\r\n',
      KEYS,
    ]);
    expect(answers).toHaveLength(1);
  });
});

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Sends the segments one by one. @returns the answers until the service hangs up, or falls silent */
async function ask({ running }: TestIssuer, segments: readonly string[]): Promise<Answer[]> {
  const { port, tls } = running.config;
  const socket: Socket = tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  const closed = new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve));
  socket.setNoDelay(true);
  await new Promise((resolve) => socket.once(tls ? 'secureConnect' : 'connect', resolve));
  for (const segment of segments) {
    socket.write(segment);
    await sleep(20);
  }
  // An answer that is not the last one leaves the connection open.
  await Promise.race([closed, sleep(500)]);
  socket.destroy();
  return answersIn(received);
}

function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let rest = text; rest !== '';) {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const head = rest.slice(0, end);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    const [, status = ''] = /^HTTP\/1.1 (\d+)/.exec(head) ?? [];
    const [, type = ''] = /^content-type: (\S+)/im.exec(head) ?? [];
    answers.push({ status: Number(status), type, body: rest.slice(end, end + length) });
    rest = rest.slice(end + length);
  }
  return answers;
}
