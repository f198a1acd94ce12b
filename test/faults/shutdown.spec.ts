import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import {
  buildIssuer,
  createLicense,
  startChildIssuer,
  tokenOf,
  type ChildIssuer,
} from '../support/child-issuer.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { timed } from './load.js';

const KEYS = '/oauth/discovery/keys';
const HOLD_MS = 1500;

let database: TestDatabase;
let issuer: ChildIssuer;
let licenseKey: string;
beforeAll(buildIssuer);
beforeEach(async () => {
  database = await createTestDatabase();
  issuer = await startChildIssuer(database.url);
  await issuer.listening;
  licenseKey = await createLicense(issuer);
  await tokenOf(await issuer.sync(licenseKey));
});
afterEach(async () => {
  await issuer.remove();
  await database.drop();
});

/** Makes every sync wait for the ledger. @returns what lets them go */
async function holdLedger(): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN; LOCK TABLE issued_tokens IN EXCLUSIVE MODE');
  return () => client.end();
}

describe('SIGTERM', () => {
  it('lets the syncs under way finish, and their tokens are in the ledger', async () => {
    const release = await holdLedger();
    const syncs = Array.from({ length: 20 }, () => issuer.sync(licenseKey).then(tokenOf));
    await sleep(300);
    const start = performance.now();
    issuer.child.kill('SIGTERM');
    await sleep(HOLD_MS);
    await release();

    expect(new Set(await Promise.all(syncs)).size).toBe(20);
    await expect(issuer.ended).resolves.toBe(0);
    // A connection whose answer was sent does not delay the stop.
    expect(performance.now() - start).toBeLessThan(HOLD_MS + 4000);
    expect(issuer.output.stdout).not.toMatch(/"level":"(error|fatal)"/);
    expect(issuer.output.stderr).toBe('');
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query('SELECT count(*)::int AS tokens FROM issued_tokens');
    await client.end();
    expect(rows).toEqual([{ tokens: 21 }]);
  });

  it('does not close an idle connection before its next answer has announced that', async () => {
    const agents = [1, 2, 3].map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
    const paths = [KEYS, '/.well-known/openid-configuration', '/-/liveness'];
    const ask = () => Promise.all(agents.map((agent, n) => get(agent, paths[n] ?? KEYS)));
    const before = await ask();
    issuer.child.kill('SIGTERM');
    await sleep(250);
    const after = await ask();

    expect(before.map(({ status, last }) => [status, last])).toEqual(
      [1, 2, 3].map(() => [200, false]),
    );
    expect(after).toEqual(before.map((answer) => ({ ...answer, last: true })));
    await expect(issuer.ended).resolves.toBe(0);
  });

  it('ends each kept-alive connection with a whole answer, and cuts none', async () => {
    const answers: Answer[] = [];
    const clients = Array.from({ length: 30 }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let last = false; !last;) {
        const answer = await get(agent, KEYS);
        answers.push(answer);
        last = answer.last || answer.status !== 200;
      }
      agent.destroy();
    });
    await sleep(500);
    issuer.child.kill('SIGTERM');
    await Promise.all(clients);

    expect(answers.length).toBeGreaterThan(100);
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.filter(({ last }) => last)).toHaveLength(30);
    await expect(issuer.ended).resolves.toBe(0);
  });

  it('stops in order when Ctrl-C comes twice, from the terminal and passed on by npm', async () => {
    issuer.child.kill('SIGINT');
    await sleep(20);
    issuer.child.kill('SIGINT');

    await expect(issuer.ended).resolves.toBe(0);
    expect(issuer.output.stdout).toContain('"msg":"stopped"');
  });

  it('ends the process within ten seconds, even if a client neither sends anything nor hangs up', async () => {
    const agent = new Agent({ keepAlive: true });
    await get(agent, KEYS);
    const stuck = request(`${issuer.url}/graphql`, { method: 'POST', agent });
    stuck.on('error', () => undefined);
    stuck.setHeader('content-type', 'application/json').setHeader('content-length', '1000');
    stuck.write('{');
    await sleep(200);
    const start = performance.now();
    issuer.child.kill('SIGTERM');

    await expect(issuer.ended).resolves.toBe(0);
    expect(performance.now() - start).toBeLessThan(10_000);
    expect((await timed(KEYS, () => fetch(issuer.url + KEYS))).status).toBe(0);
    agent.destroy();
  });
});

interface Answer {
  readonly status: number;
  readonly text: string;
  /** Whether the answer says that its connection ends with it. */
  readonly last: boolean;
}

function get(agent: Agent, path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const failed = (error: Error) => {
      resolve({ status: 0, text: String(Reflect.get(error, 'code') ?? error), last: true });
    };
    const sent = request(issuer.url + path, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', failed);
      response.on('end', () => {
        const last = response.headers.connection === 'close';
        resolve({ status: response.statusCode ?? 0, text, last });
      });
    });
    sent.on('error', failed);
    sent.end();
  });
}
