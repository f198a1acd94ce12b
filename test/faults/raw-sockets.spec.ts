import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { buildIssuer, startChildIssuer, type ChildIssuer } from '../support/child-issuer.js';
import { someOf, times } from '../support/proofs.js';
import { cutInputs, KEYS_PATH, rawInput, type RawInput } from '../support/raw-requests.js';
import { tlsEnvironment } from '../support/self-signed.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** With `SEED=<number>` of a failed run, the inputs are the same again. */
const SEED = Number(process.env.SEED ?? randomInt(1_000_000));
const INPUTS = times(100_000, 1000);
const AT_ONCE = 16;
/** A connection that the service has not ended by then counts as hanging. */
const ENDS_WITHIN_MS = 10_000;
/** Five times what is promised, because other programs use the machine. The slowest answer is only printed. */
const KEYS_WITHIN_MS = 500;

let folder: string;
let database: TestDatabase;
let plain: ChildIssuer;
let secured: ChildIssuer;
beforeAll(async () => {
  await buildIssuer();
  folder = await mkdtemp(join(tmpdir(), 'raw-'));
  database = await createTestDatabase();
  const environment = {
    LOG_LEVEL: 'info',
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  };
  plain = await startChildIssuer(database.url, environment);
  await plain.listening;
  secured = await startChildIssuer(database.url, {
    ...environment,
    ...(await tlsEnvironment(folder)),
  });
  await secured.listening;
}, 120_000);
afterAll(async () => {
  await plain.remove();
  await secured.remove();
  await database.drop();
  await rm(folder, { recursive: true });
});

describe(`bytes from strangers (SEED=${SEED})`, () => {
  it(
    'never end the service, cause no error of ours, and keep nobody from the key set',
    async () => {
      const cuts = someOf(someOf(cutInputs()));
      const watches = [plain, secured].map(watchKeys);
      const statuses = new Map<number, number>();
      const faults: string[] = [];
      let next = 0;
      const send = async () => {
        while (next < INPUTS && faults.length === 0) {
          const index = (next += 1) - 1;
          if (index % 5000 === 4999)
            tell(`${next} inputs, ${JSON.stringify([...statuses].sort())}`);
          const input = cuts[index] ?? rawInput(SEED, index);
          for (const status of await statusesOf(input)) {
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
            if (status >= 500) faults.push(`input ${index}: ${status}\n${shown(input)}`);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, send));
      const met = await Promise.all(watches.map((stop) => stop()));
      tell(
        `${next} inputs, answers ${JSON.stringify([...statuses].sort())}, keys ${JSON.stringify(met)}`,
      );

      expect(faults).toEqual([]);
      for (const { child, output } of [plain, secured]) {
        expect(child.exitCode).toBeNull();
        const lines = output.stdout.split('\n');
        expect(lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
        expect(output.stderr).toBe('');
      }
      for (const { asked, failed, p99Ms } of met) {
        expect(asked).toBeGreaterThan(10);
        expect(failed).toEqual([]);
        expect(p99Ms).toBeLessThan(KEYS_WITHIN_MS);
      }
    },
    times(3_600_000, 120_000),
  );
});

/** Sends the segments one by one, ends its side, and reads until the service has ended the other one. */
async function statusesOf({ segments, tls, lingerMs }: RawInput): Promise<number[]> {
  const issuer = tls ? secured : plain;
  const port = Number(issuer.environment.PORT);
  const socket: Socket = tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let received = '';
  socket.setEncoding('latin1').on('data', (part: string) => (received += part));
  const closed = new Promise((done) => socket.on('error', () => undefined).on('close', done));
  const late = setTimeout(() => {
    socket.destroy(new Error('hangs'));
    received += 'HTTP/1.1 599';
  }, ENDS_WITHIN_MS);
  await Promise.race([once(socket, tls ? 'secureConnect' : 'connect'), closed]);
  for (const segment of segments) {
    if (!socket.writable) break;
    socket.write(segment);
    // In a packet of its own.
    await new Promise((sent) => setImmediate(sent));
  }
  if (lingerMs > 0) await sleep(lingerMs);
  socket.end();
  await closed;
  clearTimeout(late);
  return Array.from(received.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status));
}

interface KeysMet {
  readonly asked: number;
  readonly failed: readonly string[];
  readonly p99Ms: number;
}

/** @returns a function that ends the watch and returns its results */
function watchKeys(issuer: ChildIssuer): () => Promise<KeysMet> {
  const scheme = issuer === secured ? 'https' : 'http';
  const url = `${scheme}://127.0.0.1:${issuer.environment.PORT ?? ''}${KEYS_PATH}`;
  const watch = spawn(process.execPath, [join(__dirname, '../support/watch-keys.mjs'), url], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return async () => {
    watch.stdin.end();
    return JSON.parse(await text(watch.stdout)) as KeysMet;
  };
}

function shown({ segments, tls }: RawInput): string {
  const texts = segments.map((segment) =>
    JSON.stringify(segment.toString('latin1').slice(0, 2000)),
  );
  return `${tls ? 'TLS' : 'HTTP'}: ${texts.join(' | ')}`;
}

/** Prints figures for a person who runs the full form. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
