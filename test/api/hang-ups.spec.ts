import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** One more than an address may have wrong at once. */
const GUESSES = 101;
const QUERY =
  '{ cloudConnectorAccess(licenseKey: "x", gitlabVersion: "18.5.0") { serviceToken { token } } }';

let issuer: TestIssuer;
let holder: Client;
beforeEach(async () => {
  issuer = await startTestIssuer();
  holder = new Client({ connectionString: issuer.database.url });
  await holder.connect();
});
afterEach(() => issuer.stop());

describe('a client that hangs up while its request is under way', () => {
  it.each([
    ['/graphql', JSON.stringify({ query: QUERY })],
    ['/api/v1/seat_links', JSON.stringify({ license_key: 'x' })],
  ])('is counted by its address at %s, and is no failure of ours', async (path, body) => {
    await holder.query('BEGIN; LOCK TABLE licenses');
    const sockets = await Promise.all(Array.from({ length: GUESSES }, () => send(path, body)));
    await sleep(500);
    for (const socket of sockets) socket.destroy();
    await sleep(200);
    await holder.end();
    await sleep(500);

    expect(issuer.logs.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    const headers = { 'content-type': 'application/json' };
    const next = await fetch(issuer.url + path, { method: 'POST', headers, body });
    expect(next.status).toBe(429);
  });
});

async function send(path: string, body: string): Promise<Socket> {
  const socket = connect(Number(new URL(issuer.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return socket;
}
