import { randomUUID } from 'node:crypto';
import { select } from '../contract/ledger.js';
import type { TestIssuer } from '../support/test-issuer.js';

/** A replica as the admin API answers with it. */
export interface ReplicaJson {
  readonly id: string;
  readonly host_name: string | null;
  readonly process_id: number | null;
  readonly alive: boolean;
  readonly publishes: readonly string[];
  readonly missing_keys: readonly string[];
  readonly excess_keys: readonly string[];
}

export async function replicasOf(issuer: Pick<TestIssuer, 'admin'>): Promise<ReplicaJson[]> {
  const response = await issuer.admin('GET', 'replicas');
  return ((await response.json()) as { items: ReplicaJson[] }).items;
}

/** The row of a replica that was killed at `at`, while it published these keys. */
export async function killedReplica(
  issuer: TestIssuer,
  publishes: readonly string[],
  at: Date,
): Promise<string> {
  const id = randomUUID();
  const instant = at.toISOString();
  await select(
    issuer,
    `INSERT INTO replicas (id, host_name, process_id, started_at, seen_at, publishes)
     VALUES ('${id}', 'node-3', 4711, '${instant}', '${instant}', '{${publishes.join()}}')`,
  );
  return id;
}

export async function readiness({ url }: Pick<TestIssuer, 'url'>): Promise<object> {
  const response = await fetch(`${url}/-/readiness`);
  return { code: response.status, ...((await response.json()) as object) };
}

export async function metric({ url }: Pick<TestIssuer, 'url'>, name: string): Promise<number> {
  const text = await (await fetch(`${url}/-/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
}
