import { relative } from 'node:path';
import { sampleLicenseKeyPath } from './sample-license.js';
import type { ServiceConfig } from './platform/service-config.js';

const QUERY =
  'query($licenseKey: String!, $gitlabVersion: String!) { cloudConnectorAccess(' +
  'licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) { serviceToken { token expiresAt } } }';
/** Any UUID would do: it becomes the token's `sub`. */
const INSTANCE_ID = '5d6a9f0e-8c1b-4f6e-9d2a-3b7c8e1f0a42';

/** A newcomer's first token: to stderr, for stdout carries JSON lines only. */
export function tellHowToTry(config: ServiceConfig): void {
  const keyFile = shellQuoted(relative(process.cwd(), sampleLicenseKeyPath(config)));
  const scheme = config.tls ? 'https' : 'http';
  const url = `${scheme}://${config.host}:${config.port}/graphql`;
  process.stderr.write(`
A sample license is registered. Sync a token with it, as a GitLab instance does:

  curl -s ${url} \\
    -H 'Content-Type: application/json' -H 'X-Gitlab-Instance-Id: ${INSTANCE_ID}' \\
    -d '{"query":"${QUERY}","variables":{"gitlabVersion":"18.5.0","licenseKey":"'"$(cat ${keyFile})"'"}}'

`);
}

function shellQuoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
