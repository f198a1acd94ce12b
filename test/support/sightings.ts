import { InstanceSightings } from '../../src/instances/instance-sightings.js';
import {
  type Generation,
  GitlabInstance,
  type Identity,
  NEWEST,
  type SyncAnswer,
  syncQuery,
} from './gitlab-instance.js';
import type { TestIssuer } from './test-issuer.js';

/** Where an instance was seen, as the admin API shows it. */
export interface SeenInstanceJson {
  readonly id: string;
  readonly networks: readonly Readonly<Record<string, unknown>>[];
  readonly host_names: readonly Readonly<Record<string, unknown>>[];
  readonly suspicions: readonly {
    readonly reason: string;
    readonly since: string;
    readonly last_at: string;
    readonly values: readonly string[];
  }[];
}

/** One sync through a proxy that the issuer trusts: for it, it comes from the address `from`. */
export async function syncFrom(
  { url }: TestIssuer,
  from: string,
  identity: Identity,
  generation: Generation = NEWEST,
): Promise<SyncAnswer> {
  const instance = new GitlabInstance(url, identity, generation);
  const query = syncQuery('serviceToken { token expiresAt }', generation);
  return instance.send({ query, variables: instance.variables() }, { 'x-forwarded-for': from });
}

/** Writes what was counted, as the scheduler does every few seconds. */
export async function writeSightings(issuer: TestIssuer): Promise<void> {
  await issuer.running.app.get(InstanceSightings).flush();
}

export async function listSeen(
  issuer: TestIssuer,
  query: string,
): Promise<readonly SeenInstanceJson[]> {
  const response = await issuer.admin('GET', `instances?${query}`);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { items: SeenInstanceJson[] }).items;
}

/** The only instance of a license, with all that was counted so far. */
export async function seenOf(issuer: TestIssuer, licenseId: string): Promise<SeenInstanceJson> {
  await writeSightings(issuer);
  const [instance] = await listSeen(issuer, `license_id=${licenseId}`);
  if (!instance) throw new Error('no instance has used this license');
  return instance;
}
