import { randomUUID } from 'node:crypto';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { SweepInstances } from '../../src/instance-health/sweep-instances.js';
import { SweepChangedInstances } from '../../src/instance-health/sweep-changed-instances.js';
import { InstanceMetrics } from '../../src/instance-health/instance-metrics.js';
import { recordPurchase, registerLicense } from './builders.js';
import { GitlabInstance } from './gitlab-instance.js';
import type { TestIssuer } from './test-issuer.js';

/** An instance as the admin API answers with it. */
export interface InstanceJson {
  readonly id: string;
  readonly license_id: string;
  readonly instance_uuid: string;
  readonly last_sync_at: string | null;
  readonly state: string;
  readonly denial: string | null;
  readonly next_sync_due_at: string | null;
  readonly loses_service_at: string | null;
  readonly token: {
    readonly jti: string;
    readonly expires_at: string;
    readonly revoked_at: string | null;
    readonly excess_scopes: readonly string[];
    readonly missing_scopes: readonly string[];
  } | null;
  readonly live_tokens: number;
  readonly live_tokens_with_excess_scopes: number;
  readonly excess_scopes: readonly string[];
  readonly excess_scopes_until: string | null;
}

/** Those of a page of `GET instances`. */
export async function listInstances(issuer: TestIssuer, query = ''): Promise<InstanceJson[]> {
  const response = await issuer.admin('GET', `instances?${query}`);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { items: InstanceJson[] }).items;
}

/** The only instance of a license. */
export async function instanceOf(issuer: TestIssuer, licenseId: string): Promise<InstanceJson> {
  const [instance] = await listInstances(issuer, `license_id=${licenseId}`);
  if (!instance) throw new Error('no instance has used this license');
  return instance;
}

/** A license whose instance has synced; its purchase is over on the day `expires_on`. */
export async function syncedInstance(issuer: TestIssuer, expires_on = '2027-01-01') {
  const license = await registerLicense(issuer);
  await recordPurchase(issuer, license.id, { add_on: 'duo_pro', expires_on });
  const { licenseKey } = license;
  const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
  await instance.serviceToken();
  return { license, instance };
}

/** From here on nothing happens by itself. */
export function stopJobs(issuer: TestIssuer): void {
  issuer.running.app.get(Scheduler).stop();
}

/** What the scheduler does now and then. @returns whether this replica swept */
export async function sweep(issuer: TestIssuer): Promise<boolean> {
  return issuer.running.app.get(SweepInstances).sweep();
}

/** What the scheduler does every few seconds. @returns how many instances it looked at */
export async function followChanges(issuer: TestIssuer): Promise<number> {
  const swept = await issuer.running.app.get(SweepChangedInstances).sweep();
  await issuer.running.app.get(InstanceMetrics).refresh();
  return swept;
}

/** The value of a metric; undefined when it is not shown. */
export async function metric(issuer: TestIssuer, name: string): Promise<number | undefined> {
  await issuer.running.app.get(InstanceMetrics).refresh();
  const text = await (await fetch(`${issuer.url}/-/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

/** A catalog folder's files: one scope that is free, one to be bought, one for ultimate only. */
export const THREE_SCOPES = {
  'unit_primitives/ask_epic.yml':
    'name: ask_epic\ndescription: Asks\nbackend_services: [gateway]\nadd_ons: [duo_pro]\n' +
    'cut_off_date: 2024-10-17T00:00:00+00:00\n',
  'unit_primitives/free_tool.yml':
    'name: free_tool\ndescription: Free\nbackend_services: [gateway]\n',
  'unit_primitives/ultimate_tool.yml':
    'name: ultimate_tool\ndescription: Plan\nbackend_services: [gateway]\n' +
    'license_types: [ultimate]\n',
  'license_types/premium.yml': 'name: premium\n',
} as const;
