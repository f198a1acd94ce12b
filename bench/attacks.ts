import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where the attacked service listens, on this machine. */
export interface Target {
  readonly port: number;
  readonly adminToken: string;
}

/** What clients saw of one load. */
export interface Seen {
  /** Milliseconds to each whole answer, by status. */
  readonly answered: Record<string, number[]>;
  /** Connections that ended without a whole answer, and how: `ECONNRESET`, `closed`, `timeout`. */
  readonly lost: Record<string, number>;
}

const ANSWER_TIMEOUT_MS = 30_000;
const TICK_MS = 5;

/** Opens a new connection for each request, at a fixed rate. It does not wait for earlier answers. */
export async function arrive(
  port: number,
  requests: () => string,
  perSecond: number,
  seconds: number,
): Promise<Seen> {
  const seen: Seen = { answered: {}, lost: {} };
  const open: Promise<void>[] = [];
  const started = performance.now();
  let sent = 0;
  while (performance.now() - started < seconds * 1000) {
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
    for (; sent < due; sent += 1) {
      open.push(ask(port, requests(), seen));
    }
    await sleep(TICK_MS);
  }
  await Promise.all(open);
  return seen;
}

/** A fixed number of requests at a time. Each has a new connection. */
export async function closedLoop(
  port: number,
  requests: () => string,
  atATime: number,
  seconds: number,
): Promise<Seen> {
  const seen: Seen = { answered: {}, lost: {} };
  const until = performance.now() + seconds * 1000;
  const client = async () => {
    while (performance.now() < until) await ask(port, requests(), seen);
  };
  await Promise.all(Array.from({ length: atATime }, client));
  return seen;
}

/** Opens connections, writes `bytes` to each, reads nothing, and keeps them open. */
export async function holdOpen(
  port: number,
  connections: number,
  bytes: string,
  seconds: number,
): Promise<Seen> {
  const seen: Seen = { answered: {}, lost: {} };
  const sockets: Socket[] = [];
  for (let opened = 0; opened < connections; opened += 1) {
    const socket = connect(port, '127.0.0.1');
    socket.pause();
    socket.on('error', (error: NodeJS.ErrnoException) => {
      count(seen, error.code ?? 'closed');
    });
    if (bytes !== '') socket.write(bytes);
    sockets.push(socket);
    if (opened % 50 === 49) await sleep(TICK_MS);
  }
  await sleep(seconds * 1000);
  for (const socket of sockets) socket.destroy();
  return seen;
}

/** One request on a connection of its own. */
export function ask(port: number, request: string, seen: Seen): Promise<void> {
  return new Promise((resolve) => {
    const started = performance.now();
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    let failure: string | null = null;
    socket.setEncoding('latin1');
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
      failure = 'timeout';
      socket.destroy();
    });
    socket.on('data', (text: string) => (answer += text));
    socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? 'closed'));
    socket.on('close', () => {
      const status = failure === null ? statusOfWhole(answer) : null;
      if (status === null) count(seen, failure ?? 'closed');
      else (seen.answered[status] ??= []).push(performance.now() - started);
      resolve();
    });
    socket.write(request);
  });
}

/** The status of an answer that has arrived whole; null for half an answer or none. */
function statusOfWhole(answer: string): string | null {
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1];
  const length = /^content-length: (\d+)\r?$/im.exec(head)?.[1];
  if (status === undefined || length === undefined) return null;
  return rest.join('\r\n\r\n').length === Number(length) ? status : null;
}

function count({ lost }: Seen, how: string): void {
  lost[how] = (lost[how] ?? 0) + 1;
}
