import { asObject, asObjects, asText, type JsonObject } from './json.js';
import type { Answer } from './post-json.js';

export const SYNC_QUERY = `query cloudConnectorAccess($licenseKey: String!, $gitlabVersion: String!) {
  cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) {
    serviceToken { token expiresAt }
    availableServices { name serviceStartTime bundledWith }
    catalog
  }
}`;

/** The meaning of a sync's answer for the tokens of an instance (contract section 1). */
export type SyncVerdict =
  | { readonly verdict: 'token'; readonly token: string; readonly access: JsonObject }
  /** The deliberate null: all tokens are removed. */
  | { readonly verdict: 'revoked'; readonly access: JsonObject }
  /** Tokens stay. The next attempt is the next check. */
  | { readonly verdict: 'denied'; readonly code: string | null; readonly message: string }
  /** Tokens stay, and the sync is repeated. */
  | { readonly verdict: 'try_again'; readonly code: string | null; readonly message: string };

/**
 * Reads an answer. Only exactly this form revokes: 200, no `errors`, and a `serviceToken` that is present and
 * null. `{}`, `null` or the page of a captive portal do not revoke.
 */
export function readSyncAnswer({ status, json }: Answer): SyncVerdict {
  const body = asObject(json);
  const ok = status >= 200 && status < 300;
  if (!body || (!ok && status !== 422)) return tryAgain(body, `status ${status}`);
  const errors = body['errors'];
  if (!ok || (errors !== undefined && errors !== null)) return denied(body, `status ${status}`);
  if (status !== 200) return tryAgain(body, `status ${status}`);
  const access = asObject(asObject(body['data'])?.['cloudConnectorAccess']);
  if (!access || !('serviceToken' in access)) return tryAgain(body, 'no cloudConnectorAccess');
  const serviceToken = access['serviceToken'];
  if (serviceToken === null) return { verdict: 'revoked', access };
  const given = asObject(serviceToken);
  const token = asText(given?.['token']);
  if (given && given['token'] === null) return { verdict: 'revoked', access };
  return token === null || token === ''
    ? tryAgain(body, 'no token and no null')
    : { verdict: 'token', token, access };
}

/** The first of GraphQL's errors; a code of the issuer's own is `errors[0].extensions.code`. */
export function firstError(
  body: JsonObject | null,
  otherwise: string,
): { readonly code: string | null; readonly message: string } {
  const [first] = asObjects(body?.['errors']);
  return {
    code: asText(asObject(first?.['extensions'])?.['code']),
    message: asText(first?.['message']) ?? otherwise,
  };
}

function denied(body: JsonObject, otherwise: string): SyncVerdict {
  return { verdict: 'denied', ...firstError(body, otherwise) };
}

function tryAgain(body: JsonObject | null, otherwise: string): SyncVerdict {
  return { verdict: 'try_again', ...firstError(body, otherwise) };
}
