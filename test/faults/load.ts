import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildIssuer } from '../support/child-issuer.js';

const EVERY_MS = 20;
const PAUSE_AFTER_REFUSAL_MS = 100;

/** The result of one request. */
export interface Met {
  readonly path: string;
  /** 0: no answer at all. */
  readonly status: number;
  readonly milliseconds: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

export interface Load {
  /** Everything so far, in the order of the answers. */
  readonly met: readonly Met[];
  /** Resolves when the last request under way has its answer. */
  stop(): Promise<void>;
}

/** Fetches what validators fetch, every 20 ms, without waiting for the previous answer. */
export function fetchPublished(issuer: ChildIssuer): Load {
  return repeatedly(2, async (n, met) => {
    const path = n === 0 ? '/oauth/discovery/keys' : '/.well-known/openid-configuration';
    void timed(path, () => fetch(issuer.url + path)).then((one) => met.push(one));
    await sleep(EVERY_MS);
  });
}

/** Instances that sync again and again, each as soon as it has its answer. */
export function syncSteadily(issuer: ChildIssuer, licenseKey: string, instances: number): Load {
  return repeatedly(instances, async (n, met) => {
    const instanceId = `5d6a9f0e-8c1b-4f6e-9d2a-3b7c8e1f${String(n).padStart(4, '0')}`;
    const one = await timed('/graphql', () => issuer.sync(licenseKey, instanceId));
    met.push(one);
    if (one.status !== 200) await sleep(PAUSE_AFTER_REFUSAL_MS);
  });
}

/** Sends one request and returns its result. A connection that breaks gives status 0, not an exception. */
export async function timed(path: string, ask: () => Promise<Response>): Promise<Met> {
  const start = performance.now();
  const met = (status: number, text: string, retryAfter: string | null = null): Met => ({
    ...{ path, status, text, retryAfter },
    milliseconds: Math.round(performance.now() - start),
  });
  try {
    const response = await ask();
    return met(response.status, await response.text(), response.headers.get('retry-after'));
  } catch (error) {
    return met(0, String(error instanceof Error ? (error.cause ?? error) : error));
  }
}

/** The ids of the tokens that the service sent out. */
export function tokenIds(met: readonly Met[]): string[] {
  return met.flatMap(({ text }) => {
    const payload = /"token":"[\w-]+\.([\w-]+)\./.exec(text)?.[1];
    if (payload === undefined) return [];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { jti: string };
    return [claims.jti];
  });
}

export function slowest(met: readonly Met[]): number {
  return Math.max(...met.map(({ milliseconds }) => milliseconds));
}

function repeatedly(times: number, once: (n: number, met: Met[]) => Promise<void>): Load {
  const met: Met[] = [];
  let stopped = false;
  const isStopped = () => stopped;
  const loops = Array.from({ length: times }, async (_, n) => {
    while (!isStopped()) await once(n, met);
  });
  return {
    met,
    stop: async () => {
      stopped = true;
      await Promise.all(loops);
    },
  };
}
