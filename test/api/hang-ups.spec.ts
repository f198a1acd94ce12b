import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** More than an address may have wrong at once, in rounds that are all in work together. */
const ROUNDS = 4;
const GUESSES_IN_A_ROUND = 26;
const QUERY =
  '{ cloudConnectorAccess(licenseKey: "x", gitlabVersion: "18.5.0") { serviceToken { token } } }';

let issuer: TestIssuer;
beforeEach(async () => {
  issuer = await startTestIssuer();
});
afterEach(() => issuer.stop());

describe('a client that hangs up while its request is under way', () => {
  it.each([
    ['/graphql', JSON.stringify({ query: QUERY })],
    ['/api/v1/seat_links', JSON.stringify({ license_key: 'x' })],
  ])('is counted by its address at %s, and is no failure of ours', async (path, body) => {
    for (let round = 0; round < ROUNDS; round += 1) await hangUpAll(path, body);

    expect(issuer.logs.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    const headers = { 'content-type': 'application/json' };
    const next = await fetch(issuer.url + path, { method: 'POST', headers, body });
    expect(next.status).toBe(429);
  });
});

async function hangUpAll(path: string, body: string): Promise<void> {
  const holder = new Client({ connectionString: issuer.database.url });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE licenses');
  const sent = Array.from({ length: GUESSES_IN_A_ROUND }, () => send(path, body));
  const sockets = await Promise.all(sent);
  await sleep(300);
  for (const socket of sockets) socket.destroy();
  await sleep(100);
  await holder.end();
  await sleep(300);
}

async function send(path: string, body: string): Promise<Socket> {
  const socket = connect(Number(new URL(issuer.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return socket;
}
