import { systemClock, systemWait, type Clock, type Wait } from './clock.js';
import { check, FUNCTION, having, invalid, optional, type Rules, TEXT } from './check-input.js';
import type { LogEvent } from './log-event.js';
import type { AddOnPurchase } from './allowed-to-use.js';
import { type Fetch, fetchByEnvironment } from './environment-proxy.js';
import { isHeaderValue } from './header-value.js';
import { parseVersion } from './gitlab-version.js';
import type { TokenStore } from './token-store.js';
import { pastedText } from './pasted-text.js';

/** The identity of an instance, and how its client works. */
export interface InstanceClientOptions {
  /** The issuer's URL: https, or http on this machine. */
  readonly url: string;
  /** The instance UUID; it becomes the token's `sub`, byte for byte. */
  readonly instanceId: string;
  /** From GitLab 18.1 on. */
  readonly uniqueInstanceId?: string;
  readonly hostname: string;
  /** Such as `18.5.0-ee`. */
  readonly gitlabVersion: string;
  /** Wins over the key in the store (of an activation or a seat link). */
  readonly licenseKey?: string;
  readonly store: TokenStore;
  /**
   * A secret of the instance that goes into `X-Gitlab-Global-User-Id`. GitLab uses its database key
   * base. Without it a backend can find a user's id by trying all numbers.
   */
  readonly globalUserIdSecret?: string;
  /** The add-on purchases of the instance, for `allowedToUse`; without it there are none. */
  readonly purchases?: () => readonly AddOnPurchase[] | Promise<readonly AddOnPurchase[]>;
  /** Time limit of one request with its answer; 30 seconds by default. */
  readonly timeoutMs?: number;
  /** Called for each event. It never gets a token, a key or a code. */
  readonly log?: (event: LogEvent) => void;
  readonly clock?: Clock;
  /** By default the `fetch` of Node, through the proxy that HTTPS_PROXY names unless NO_PROXY excludes `url`. */
  readonly fetch?: typeof fetch;
  /** Between 0 and 1, for jitter. */
  readonly random?: () => number;
  readonly wait?: Wait;
}

/** The options with their defaults. */
export interface Settings {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly instanceId: string;
  readonly uniqueInstanceId: string | null;
  readonly hostname: string;
  readonly gitlabVersion: string;
  readonly licenseKey: string | null;
  /** Empty without one. */
  readonly globalUserIdSecret: string;
  readonly store: TokenStore;
  readonly purchases: () => readonly AddOnPurchase[] | Promise<readonly AddOnPurchase[]>;
  readonly timeoutMs: number;
  readonly log: (event: LogEvent) => void;
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly random: () => number;
  readonly wait: Wait;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const RULES: Rules<InstanceClientOptions> = {
  url: TEXT,
  instanceId: [(value) => typeof value === 'string' && UUID.test(value), 'must be a UUID'],
  uniqueInstanceId: optional(TEXT),
  hostname: TEXT,
  gitlabVersion: TEXT,
  licenseKey: optional([(value) => typeof value === 'string', 'must be a text']),
  globalUserIdSecret: optional(TEXT),
  store: having('read', 'update'),
  purchases: optional(FUNCTION),
  timeoutMs: optional([
    (value) => Number.isFinite(value) && Number(value) > 0,
    'must be a number of milliseconds above 0',
  ]),
  log: optional(FUNCTION),
  clock: optional(having('now')),
  fetch: optional(FUNCTION),
  random: optional(FUNCTION),
  wait: optional(FUNCTION),
};
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** @throws {InstanceClientError} OPTION_INVALID */
export function settingsOf(options: InstanceClientOptions): Settings {
  check('the options of a client', options, RULES);
  const licenseKey = normalisedKey(options.licenseKey ?? '');
  if (!parseVersion(options.gitlabVersion)) {
    throw invalid('gitlabVersion must start with numbers like 18.5.0');
  }
  const baseUrl = baseUrlOf(options.url);
  return {
    baseUrl,
    instanceId: options.instanceId,
    uniqueInstanceId: options.uniqueInstanceId ?? null,
    hostname: headerValue('hostname', options.hostname),
    gitlabVersion: headerValue('gitlabVersion', options.gitlabVersion),
    licenseKey: licenseKey === '' ? null : licenseKey,
    globalUserIdSecret: options.globalUserIdSecret ?? '',
    store: options.store,
    purchases: options.purchases ?? (() => []),
    timeoutMs: options.timeoutMs ?? 30_000,
    log: quietly(options.log),
    clock: options.clock ?? systemClock,
    fetch: options.fetch ?? fetchOf(baseUrl),
    random: options.random ?? Math.random,
    wait: options.wait ?? systemWait,
  };
}

/** A failing log must not fail anything else. */
function quietly(log: (event: LogEvent) => unknown = () => undefined): (event: LogEvent) => void {
  return (event) => {
    try {
      Promise.resolve(log(event)).catch(() => undefined);
    } catch {
      // Ignored.
    }
  };
}

/** The form that the issuer compares: trimmed, CRLF as LF. */
export function normalisedKey(licenseKey: string): string {
  return pastedText(licenseKey.replaceAll('\r\n', '\n'));
}

/** A text for a header. @throws {InstanceClientError} OPTION_INVALID */
export function headerValue(name: string, value: string): string {
  if (isHeaderValue(value)) return value;
  throw invalid(`${name} must be visible ASCII characters, and at least one`);
}

function fetchOf(baseUrl: string): Fetch {
  try {
    return fetchByEnvironment([baseUrl]);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
}

function baseUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) throw invalid('url must be an https URL');
  if (url.username || url.password || url.search || url.hash) {
    throw invalid('url must have no user, password, query or fragment');
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw invalid('url must be https: otherwise the license key crosses the network unencrypted');
  }
  return url.href.replace(/\/+$/, '');
}
