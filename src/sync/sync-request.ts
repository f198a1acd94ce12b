import { parseGitlabVersion, type GitlabVersion } from '../domain/gitlab-version.js';
import { isUuid } from '../domain/uuid.js';
import { IssuerError } from '../platform/issuer-error.js';
import type { Sync } from '../token-issuance/admission.js';
import { hostNameOf } from './reported-instance.js';

/** The variables of `cloudConnectorAccess`. */
export interface SyncArguments {
  readonly licenseKey: string;
  readonly gitlabVersion: string;
}

export type SyncHeaders = Readonly<Record<string, string | string[] | undefined>>;

type InstanceIdHeader = Pick<Sync, 'instanceId' | 'instanceIdInvalid'>;

/** @throws {IssuerError} GITLAB_VERSION_INVALID */
export function syncOf(
  given: SyncArguments,
  headers: SyncHeaders,
  at: Date,
): Omit<Sync, 'deadline'> {
  return {
    licenseKey: given.licenseKey,
    gitlabVersion: versionOf(given.gitlabVersion),
    ...instanceIdOf(headers['x-gitlab-instance-id']),
    hostName: hostNameOf(headers['x-gitlab-host-name']),
    at,
  };
}

function versionOf(text: string): GitlabVersion {
  const version = parseGitlabVersion(text);
  if (!version) {
    throw new IssuerError(
      'GITLAB_VERSION_INVALID',
      'gitlabVersion must start with numbers like 18.5.0: send the version of the instance.',
    );
  }
  return version;
}

function instanceIdOf(header: string | string[] | undefined): InstanceIdHeader {
  // Without a UUID, GitLab can send a text that says "not set".
  if (header === undefined || header === '') return { instanceId: null, instanceIdInvalid: false };
  const valid = typeof header === 'string' && isUuid(header);
  return { instanceId: valid ? header : null, instanceIdInvalid: !valid };
}
