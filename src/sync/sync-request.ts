import {
  parseGitlabVersion,
  type GitlabVersion,
  UNKNOWN_VERSION,
} from '../domain/gitlab-version.js';
import { isUuid } from '../domain/uuid.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Sync } from '../token-issuance/admission.js';
import { hostNameOf } from './reported-instance.js';

/** The arguments of `cloudConnectorAccess`. The first clients have no version among them. */
export interface SyncArguments {
  readonly licenseKey: string;
  readonly gitlabVersion: string | null;
}

export type SyncHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** GitLab sends `GitLab/16.8.0-ee`. */
const USER_AGENT = /^GitLab\/(\S+)/;

type InstanceIdHeader = Pick<Sync, 'instanceId' | 'instanceIdInvalid'>;

/** @throws {IssuerError} GITLAB_VERSION_INVALID */
export function syncOf(
  given: SyncArguments,
  headers: SyncHeaders,
  at: Date,
): Omit<Sync, 'deadline'> {
  return {
    licenseKey: given.licenseKey,
    gitlabVersion: versionOf(given.gitlabVersion, headers),
    ...instanceIdOf(headers['x-gitlab-instance-id']),
    hostName: hostNameOf(headers['x-gitlab-host-name']),
    at,
  };
}

/** The first place that has a version counts, even when its version cannot be read. */
function versionOf(argument: string | null, headers: SyncHeaders): GitlabVersion {
  const places: readonly [place: string, text: string | null | undefined][] = [
    ['gitlabVersion', argument],
    ['The header X-Gitlab-Version', textOf(headers['x-gitlab-version'])],
    ['The header User-Agent', USER_AGENT.exec(textOf(headers['user-agent']) ?? '')?.[1]],
  ];
  for (const [place, text] of places) {
    if (text === null || text === undefined) continue;
    const version = parseGitlabVersion(text);
    if (version) return version;
    throw new IssuerError(
      'GITLAB_VERSION_INVALID',
      `${place} must have a version that starts with numbers like 18.5.0: send the version of the ` +
        'instance.',
    );
  }
  return UNKNOWN_VERSION;
}

/** An empty header counts as absent. */
function textOf(header: string | string[] | undefined): string | null {
  return header === undefined || header === '' ? null : String(header);
}

function instanceIdOf(header: string | string[] | undefined): InstanceIdHeader {
  // Without a UUID, GitLab can send a text that says "not set".
  if (header === undefined || header === '') return { instanceId: null, instanceIdInvalid: false };
  const valid = typeof header === 'string' && isUuid(header);
  return { instanceId: valid ? header : null, instanceIdInvalid: !valid };
}
