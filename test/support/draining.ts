import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestIssuer } from './test-issuer.js';

/** Stops the replica, and does `work` while it listens no longer but waits for the end of one request. */
export async function whileItDrains(
  replica: TestIssuer,
  work: () => Promise<void> | void,
): Promise<void> {
  const { url } = replica;
  const { hostname: host, port } = new URL(url);
  const open = connect(Number(port), host);
  open.write('POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n');
  open.write('Content-Length: 2\r\n\r\n{');
  const answers = () => fetch(`${url}/-/liveness`).catch(() => null);
  await answers();
  const stopped = replica.stop();
  while (await answers()) await sleep(10);
  try {
    await work();
  } finally {
    open.destroy();
    await stopped;
  }
}
