import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type Seen } from '../../bench/attacks.js';
import { type Subject, syncRequest } from '../../bench/load.js';
import type { Load, LoadOrder } from '../../bench/overload-load.js';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  startChildIssuer,
} from '../support/child-issuer.js';
import { someOf, times } from '../support/proofs.js';
import { RawClient } from '../support/raw-client.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const SECONDS = times(10, 2);
/** Five times the bound that a quiet machine keeps (docs/operate/benchmarks.md). */
const KEY_SET_MS = 1250;
const KEY_SET = 'GET /oauth/discovery/keys HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

let database: TestDatabase;
let issuer: ChildIssuer;
let port: number;
let subjects: Subject[];

beforeAll(async () => {
  await buildIssuer();
  database = await createTestDatabase();
  issuer = await startChildIssuer(database.url, { LOG_LEVEL: 'warn' });
  await readyIn(issuer);
  port = Number(new URL(issuer.url).port);
  const licenseKey = await createLicense(issuer);
  subjects = Array.from({ length: 50 }, () => ({ licenseKey, instanceId: randomUUID() }));
  await fromAnotherProcess({ kind: 'syncs', atATime: 8 }, 1);
});
afterAll(async () => {
  await issuer.remove();
  await database.drop();
});
// One retry, because other programs may keep the machine busy.
jest.retryTimes(1);

/** Asks until the service is ready. At this log level it does not log that. */
async function readyIn({ url }: ChildIssuer): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if ((await fetch(`${url}/-/readiness`).catch(() => null))?.status === 200) return;
    await sleep(50);
  }
  throw new Error('the service did not become ready');
}

function fromAnotherProcess(load: Load, seconds = SECONDS): Promise<Seen> {
  const target = { port, adminToken: issuer.environment.BOOTSTRAP_ADMIN_TOKEN ?? '' };
  const order: LoadOrder = { load, target, subjects, seconds };
  return new Promise((seen, failed) => {
    const child = fork(resolve(__dirname, '../../dist/bench/overload-load.js'), { execArgv: [] });
    child.once('message', (message) => {
      seen(message as Seen);
    });
    child.once('exit', (code) => {
      failed(new Error(`the load ended with ${code ?? 'a signal'}`));
    });
    child.send(order);
  });
}

/** The answers to the load, and to requests for the key set meanwhile, each on a new connection. */
async function under(load: Load): Promise<{ seen: Seen; keySet: Seen }> {
  const keySet: Seen = { answered: {}, lost: {} };
  const asked: Promise<void>[] = [];
  const asking = setInterval(() => asked.push(ask(port, KEY_SET, keySet)), 20);
  const seen = await fromAnotherProcess(load);
  clearInterval(asking);
  await Promise.all(asked);
  return { seen, keySet };
}

function expectKeySetThroughout(keySet: Seen): void {
  expect(keySet.lost).toEqual({});
  expect(Object.keys(keySet.answered)).toEqual(['200']);
  expect(quantile(keySet.answered['200'] ?? [], 0.99)).toBeLessThan(KEY_SET_MS);
}

function quantile(milliseconds: readonly number[], share: number): number {
  const inOrder = [...milliseconds].sort((one, other) => one - other);
  return inOrder[Math.floor(inOrder.length * share)] ?? Infinity;
}

function median(milliseconds: readonly number[] = []): number {
  return quantile(milliseconds, 0.5);
}

describe('with more syncs than it can answer', () => {
  it('answers some and turns the others away, resets none, and the key set waits for none of them', async () => {
    const { seen, keySet } = await under({ kind: 'syncs', atATime: 400 });
    expect(seen.lost).toEqual({});
    expect(Object.keys(seen.answered)).toEqual(['200', '503']);
    expect(keySet.lost).toEqual({});
    expect(Object.keys(keySet.answered)).toEqual(['200']);
    // If the key set waited in line with the syncs, it would take as long as they do.
    const [ofKeySet, ofSyncs] = [median(keySet.answered['200']), median(seen.answered['200'])];
    expect(ofKeySet / ofSyncs).toBeLessThan(0.5);
  });

  it('says when to try again, in the format of each client, and spreads the times', async () => {
    const [subject] = subjects;
    const sync = subject ? syncRequest(subject) : '';
    const seatLink = sync.replace('/graphql', '/api/v1/seat_links');
    const clients = Array.from({ length: 600 }, () => new RawClient(port));
    await Promise.all(clients.map(({ opened }) => opened));
    clients.forEach(({ socket }, index) => socket.write(index % 2 === 0 ? sync : seatLink));
    await Promise.all(clients.map(({ closed }) => closed));
    const busy = clients.map(({ text }) => text()).filter((text) => text.includes(' 503 '));

    const forms = new Map(busy.map((text) => [bodyOf(text), headOf(text)]));
    const message = expect.stringContaining('try again') as string;
    const bodies = [...forms.keys()].map((body) => JSON.parse(body) as object);
    expect(bodies).toHaveLength(2);
    expect(bodies).toContainEqual({ errors: [{ message, extensions: { code: 'UNAVAILABLE' } }] });
    expect(bodies).toContainEqual({ errors: [message], error_attribute_map: {} });
    for (const head of forms.values()) {
      expect(head).toMatch(/^content-type: application\/json$/im);
      expect(head).toMatch(/^connection: close$/im);
    }
    const waits = busy.map((text) => Number(/^retry-after: (\d+)$/im.exec(headOf(text))?.[1]));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });
});

describe('with clients that mean harm', () => {
  it.each<[string, Load]>(
    someOf([
      ['leave long answers unread', { kind: 'unread-answers', connections: 150 }],
      ['pipeline and read nothing', { kind: 'pipelines', connections: 150, requests: 2000 }],
      ['never end their bodies', { kind: 'slow-bodies', connections: 500 }],
      ['never begin a request', { kind: 'half-open', connections: 1100 }],
    ]),
  )('gives everybody the key set while they %s', async (_what, load) => {
    const { keySet } = await under(load);
    expectKeySetThroughout(keySet);
    expect((await fetch(`${issuer.url}/-/readiness`)).status).toBe(200);
  });
});

function headOf(answer: string): string {
  return (answer.split('\r\n\r\n')[0] ?? '').replaceAll('\r', '');
}

function bodyOf(answer: string): string {
  return answer.split('\r\n\r\n')[1] ?? '';
}
