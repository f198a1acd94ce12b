import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { RawClient } from '../support/raw-client.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** More than a lane has slots and places together. */
const REQUESTS = 300;
const HEAD = 'Host: a\r\nConnection: close\r\n';
const JSON_HEAD = `${HEAD}Content-Type: application/json\r\n`;

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

function open(): RawClient {
  return new RawClient(Number(new URL(issuer.url).port));
}

async function answersTo(request: string): Promise<string> {
  const client = open();
  client.socket.write(request);
  await client.closed;
  return client.text();
}

/** Requests in work by lane. */
async function inWork(): Promise<{ instances: number; others: number }> {
  const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
  const count = (lane: string) =>
    Number(
      new RegExp(`^issuer_requests\\{lane="${lane}",state="in_work"\\} (\\d+)`, 'm').exec(
        metrics,
      )?.[1],
    );
  return { instances: count('instances'), others: count('others') };
}

describe('a request gives its slot back', () => {
  it.each([
    ['a URL that cannot be decoded', `GET /%zz HTTP/1.1\r\n${HEAD}\r\n`, '400'],
    ['a path that is not there', `GET /nothing HTTP/1.1\r\n${HEAD}\r\n`, '404'],
    ['no token', `GET /api/v1/licenses HTTP/1.1\r\n${HEAD}\r\n`, '401'],
    ['a HEAD', `HEAD /nothing HTTP/1.1\r\n${HEAD}\r\n`, '404'],
    [
      'another type',
      `POST /api/v1/licenses HTTP/1.1\r\n${HEAD}Content-Type: a/b\r\nContent-Length: 1\r\n\r\n1`,
      '4',
    ],
    [
      'a body too large',
      `POST /graphql HTTP/1.1\r\n${JSON_HEAD}Content-Length: 2000000\r\n\r\n`,
      '200',
    ],
    [
      'a body that is not JSON',
      `POST /graphql HTTP/1.1\r\n${JSON_HEAD}Content-Length: 1\r\n\r\n{`,
      '200',
    ],
    [
      'a seat link without a license',
      `POST /api/v1/seat_links HTTP/1.1\r\n${JSON_HEAD}Content-Length: 2\r\n\r\n{}`,
      '422',
    ],
  ])('after %s', async (_what, request, status) => {
    for (let sent = 0; sent < REQUESTS; sent += 30) {
      const answers = await Promise.all(Array.from({ length: 30 }, () => answersTo(request)));
      for (const answer of answers) expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    }
    expect(await inWork()).toEqual({ instances: 0, others: 0 });
  });

  it('after a client that hung up in the middle of its body', async () => {
    const begun = `POST /graphql HTTP/1.1\r\n${JSON_HEAD}Content-Length: 100\r\n\r\n{`;
    for (let sent = 0; sent < REQUESTS; sent += 1) {
      const client = open();
      await client.opened;
      client.socket.write(begun);
      client.socket.destroy();
    }
    await sleep(100);
    expect(await inWork()).toEqual({ instances: 0, others: 0 });
  });

  it('after a client that hung up while the database made it wait, but only when the work is done', async () => {
    const holder = new Client({ connectionString: issuer.database.url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE api_tokens IN ACCESS EXCLUSIVE MODE');
    const authorization = `Authorization: Bearer ${issuer.adminToken}\r\n`;
    const clients = Array.from({ length: 8 }, open);
    for (const { socket, opened } of clients) {
      await opened;
      socket.write(`GET /api/v1/licenses HTTP/1.1\r\n${HEAD}${authorization}\r\n`);
    }
    await sleep(200);
    for (const { socket } of clients) socket.destroy();
    await sleep(200);
    expect((await inWork()).others).toBe(8);
    await holder.end();
    for (let tries = 0; (await inWork()).others > 0 && tries < 100; tries += 1) await sleep(50);
    expect(await inWork()).toEqual({ instances: 0, others: 0 });
  });
});
