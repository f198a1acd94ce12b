import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from '../support/raw-client.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const MIB = 1_048_576;
const HEAD = `POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${MIB}\r\n\r\n`;

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

async function send(licenseKey: string): Promise<string> {
  const query = '{ cloudConnectorAccess(licenseKey: "x") { catalog } }';
  const body = JSON.stringify({ query, variables: { licenseKey } });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${issuer.url}/graphql`, { method: 'POST', headers, body });
  return `${answer.status} ${/"code":"(\w+)"/.exec(await answer.text())?.[1] ?? ''}`;
}

describe('long bodies that never end', () => {
  it('together use only the memory reserved for them, and do not block syncs', async () => {
    const clients = Array.from({ length: 80 }, () => {
      const client = new RawClient(Number(new URL(issuer.url).port));
      client.socket.write(`${HEAD}${' '.repeat(MIB - 1)}`);
      return client;
    });
    const long = 'x'.repeat(200_000);
    for (let tries = 0; tries < 100 && !(await send(long)).startsWith('503'); tries += 1) {
      await sleep(50);
    }
    expect(await send(long)).toBe('503 UNAVAILABLE');
    expect(await send('short')).toBe('200 LICENSE_NOT_FOUND');
    for (const { socket } of clients) socket.destroy();
    await Promise.all(clients.map(({ closed }) => closed));
    await sleep(100);
    expect(await send(long)).toBe('200 LICENSE_NOT_FOUND');
  });
});
