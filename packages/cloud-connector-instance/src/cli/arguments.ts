import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { invalid } from '../check-input.js';

/** What the command was asked to do. Secrets are never among it, only the files that hold them. */
export interface Arguments {
  readonly url: string;
  readonly licenseKeyFile: string | null;
  readonly activationCodeFile: string | null;
  /** Null: the one that is kept beside the store, or a new one. */
  readonly instanceId: string | null;
  readonly uniqueInstanceId: string | null;
  readonly hostname: string;
  readonly gitlabVersion: string;
  readonly store: string;
  readonly storeKeyFile: string;
  readonly headersFile: string | null;
  readonly once: boolean;
}

export const HELP = `cloud-connector-instance: keeps a Cloud Connector service token fresh, as a GitLab instance does

  npx cloud-connector-instance --url URL --license-key-file FILE [options]

  --url URL                     the issuer; https, unless it is this machine
  --license-key-file FILE       holds the license key
  --activation-code-file FILE   holds an activation code: redeemed once, its key stays in the store
  --instance-id UUID            default: made once and kept beside the store
  --unique-instance-id UUID     sent with an activation (GitLab 18.1 and later)
  --hostname NAME               default: ${hostname()}
  --gitlab-version VERSION      default: 18.6.0-ee
  --store FILE                  default: cloud-connector-instance.store; sealed with AES-256-GCM
  --store-key-file FILE         its key, mode 0600, made when absent;
                                default: ~/.cloud-connector-instance/store-key
  --headers-file FILE           write a backend's headers there, mode 0600, for curl -H @FILE
  --once                        one check, then end
  --help

The issuer is asked through the proxy of HTTPS_PROXY, unless NO_PROXY names it.
It checks when it starts and every hour, and syncs when less than two days are left.
SIGTERM ends it. Exit codes: 0 ended as asked, 1 no token (with --once, or an activation that was
refused), 2 an argument or a file is unusable, 3 the store cannot be used.

Examples
  npx cloud-connector-instance --url http://127.0.0.1:3000 --license-key-file .data/sample-license-key --once
  npx cloud-connector-instance --url https://issuer.example.com --activation-code-file ./code \\
    --store /var/lib/instance/store --store-key-file /etc/instance/store-key
`;

/** Null when help was asked for. @throws {InstanceClientError} OPTION_INVALID */
export function readArguments(argv: readonly string[]): Arguments | null {
  const values = parsed(argv);
  if (values.help) return null;
  if (values.url === undefined) throw invalid('--url is missing');
  return {
    url: values.url,
    licenseKeyFile: values['license-key-file'] ?? null,
    activationCodeFile: values['activation-code-file'] ?? null,
    instanceId: values['instance-id'] ?? null,
    uniqueInstanceId: values['unique-instance-id'] ?? null,
    hostname: values.hostname ?? hostname(),
    gitlabVersion: values['gitlab-version'] ?? '18.6.0-ee',
    store: resolve(values.store ?? 'cloud-connector-instance.store'),
    storeKeyFile: resolve(
      values['store-key-file'] ?? join(homedir(), '.cloud-connector-instance', 'store-key'),
    ),
    headersFile: values['headers-file'] ?? null,
    once: values.once ?? false,
  };
}

function parsed(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = {
    url: text,
    'license-key-file': text,
    'activation-code-file': text,
    'instance-id': text,
    'unique-instance-id': text,
    hostname: text,
    'gitlab-version': text,
    store: text,
    'store-key-file': text,
    'headers-file': text,
    once: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    return parseArgs({
      args: joined(argv, new Map(Object.entries(options))),
      options,
      strict: true,
    }).values;
  } catch (error) {
    // A word too many may be a secret that somebody typed: it is not repeated.
    const name = /'(--?[\w-]+)/.exec(String(error))?.[1];
    throw invalid(name ? `${name} is unknown or lacks its value` : 'options only, see --help');
  }
}

/** Joins each text with its option. It may begin with a dash, and `parseArgs` would take it for an option. */
function joined(
  argv: readonly string[],
  options: ReadonlyMap<string, { readonly type: 'string' | 'boolean' }>,
): string[] {
  const rest = [...argv];
  const all: string[] = [];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const next = options.get(arg.slice(2))?.type === 'string' ? rest[0] : undefined;
    const isOption =
      next?.startsWith('--') === true && options.has(next.slice(2).split('=')[0] ?? '');
    // A forgotten text must not swallow the option after it.
    if (next === undefined || isOption) all.push(arg);
    else all.push(`${arg}=${rest.shift() ?? ''}`);
  }
  return all;
}
