import '../src/platform/take-signals.js';
import 'reflect-metadata';
import { fork } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ask, type Seen } from './attacks.js';
import {
  analyze,
  type MeasuredService,
  registerLicenses,
  startMeasuredService,
} from './service.js';
import { load as warmUp, type Subject } from './load.js';
import type { Load, LoadOrder } from './overload-load.js';

const LICENSES = 2000;
/** The limit of open files on a small machine. Half-open connections are tried against it. */
const OPEN_FILES = 1024;
const PROBE_EVERY_MS = 20;
const PROBE = 'GET /oauth/discovery/keys HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const HELP = `Attacks and overloads the service, and asks for the key set all the while.

  npm run bench:overload                    10 s for each load
  npm run bench:overload -- --seconds 30    longer
  npm run bench:overload -- --only syncs    the loads whose names contain "syncs"

Load, service, Postgres and the one that asks are processes of their own. All of it stays on this machine.`;

interface Row {
  readonly name: string;
  readonly load: Load | null;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '10' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const seconds = Number(values.seconds);
  const service = await startMeasuredService(OPEN_FILES);
  try {
    const subjects = await registerLicenses(service.databaseUrl, LICENSES);
    console.log('Warming up: every instance syncs twice ...');
    const limits = { concurrency: 32, seconds: 600, syncs: 2 * LICENSES };
    await warmUp(service.url, subjects, limits);
    await analyze(service.databaseUrl);
    await measure(service, subjects, seconds, values.only);
  } finally {
    await service.stop();
  }
}

async function measure(
  service: MeasuredService,
  subjects: readonly Subject[],
  seconds: number,
  only: string,
): Promise<void> {
  const capacity = await capacityOf(service, subjects, seconds);
  console.log(`
${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}
capacity: ${capacity.toFixed(0)} syncs a second, 64 at a time, each on a fresh connection

load                                      key set: asked  lost    p50     p99     most   |  answers`);
  for (const { name, load } of rows(capacity).filter((row) => row.name.includes(only))) {
    const asked: Seen = { answered: {}, lost: {} };
    const over = new AbortController();
    const asking = askForKeys(service.port, asked, over.signal);
    const order = { target: service, subjects, seconds };
    const seen = load ? await inProcess({ ...order, load }) : await rest(seconds);
    over.abort();
    await asking;
    console.log(lineOf(name, asked, seen));
    await sleep(1000);
  }
}

function rows(capacity: number): Row[] {
  const arriving = (factor: number): Load => {
    return { kind: 'arriving-syncs', perSecond: Math.round(capacity * factor) };
  };
  return [
    { name: 'nothing else', load: null },
    { name: 'syncs at 0.5 of capacity', load: arriving(0.5) },
    { name: 'syncs at 1.5 times capacity', load: arriving(1.5) },
    { name: 'syncs at 3 times capacity', load: arriving(3) },
    {
      name: '150 x 2,000 pipelined, nothing read',
      load: { kind: 'pipelines', connections: 150, requests: 2000 },
    },
    {
      name: 'the same with an unknown Expect',
      load: { kind: 'pipelines', connections: 150, requests: 2000, header: 'Expect: x\r\n' },
    },
    { name: '1,100 half-open connections', load: { kind: 'half-open', connections: 1100 } },
    {
      name: '200 x 100 answers of 100 KB unread',
      load: { kind: 'unread-answers', connections: 200 },
    },
    { name: '500 bodies of 1 MiB that stop', load: { kind: 'slow-bodies', connections: 500 } },
    { name: '1 MiB of [ to /graphql, 4 at a time', load: { kind: 'nested-body', atATime: 4 } },
    {
      name: '100,000 unknown members, 4 at a time',
      load: { kind: 'wide-admin-body', atATime: 4 },
    },
  ];
}

async function capacityOf(
  service: MeasuredService,
  subjects: readonly Subject[],
  seconds: number,
): Promise<number> {
  const load = { kind: 'syncs', atATime: 64 } as const;
  const { answered } = await inProcess({ load, target: service, subjects, seconds });
  return (answered['200']?.length ?? 0) / seconds;
}

async function askForKeys(port: number, seen: Seen, signal: AbortSignal): Promise<void> {
  const open: Promise<void>[] = [];
  while (!signal.aborted) {
    open.push(ask(port, PROBE, seen));
    await sleep(PROBE_EVERY_MS);
  }
  await Promise.all(open);
}

async function rest(seconds: number): Promise<Seen> {
  await sleep(seconds * 1000);
  return { answered: {}, lost: {} };
}

function inProcess(order: LoadOrder): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, 'overload-load.js'));
    child.once('message', (seen) => {
      resolve(seen as Seen);
    });
    child.once('exit', (code) => {
      reject(new Error(`the load ended with ${code ?? 'a signal'}`));
    });
    child.send(order);
  });
}

function lineOf(name: string, keySet: Seen, seen: Seen): string {
  const good = sorted(keySet.answered['200'] ?? []);
  const bad = Object.entries(keySet.answered).filter(([status]) => status !== '200');
  const lost = [...Object.values(keySet.lost), ...bad.map(([, times]) => times.length)];
  const answers = Object.entries(seen.answered).map(
    ([status, times]) =>
      `${times.length} x ${status} (p50 ${ms(times, 0.5)}, p99 ${ms(times, 0.99)})`,
  );
  const losses = Object.entries(seen.lost).map(([how, count]) => `${count} x ${how}`);
  const asked = good.length + lost.reduce((sum, count) => sum + count, 0);
  return [
    name.padEnd(42),
    String(asked).padStart(14),
    String(asked - good.length).padStart(6),
    ...[0.5, 0.99, 1].map((share) => ms(good, share).padStart(8)),
    '  |  ',
    [...answers, ...losses].join(', '),
  ].join('');
}

function ms(times: readonly number[], share: number): string {
  const inOrder = sorted(times);
  const value = inOrder[Math.min(inOrder.length - 1, Math.floor(inOrder.length * share))];
  return value === undefined ? '-' : `${value.toFixed(1)} ms`;
}

function sorted(times: readonly number[]): number[] {
  return [...times].sort((one, other) => one - other);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
