import { readFileSync } from 'node:fs';
import type { MockIssuerOptions } from '../mock-issuer-options.js';
import { reportTable } from '../report-table.js';
import { verifyBackend, type VerifyBackendOptions } from '../verify-backend.js';
import {
  headersOf,
  numberOf,
  portOf,
  present,
  textOf,
  UsageError,
  valuesOf,
  type Values,
} from './arguments.js';
import { withMockIssuer } from './keys-file.js';
import { ISSUER_OPTIONS, issuerOptionsOf } from './serve.js';

const OPTIONS = {
  ...ISSUER_OPTIONS,
  url: { type: 'string' },
  method: { type: 'string' },
  body: { type: 'string' },
  'body-file': { type: 'string' },
  header: { type: 'string', multiple: true },
  'second-port': { type: 'string' },
  'status-list': { type: 'boolean' },
  caching: { type: 'boolean' },
  bodies: { type: 'boolean' },
  'patience-seconds': { type: 'string' },
  'settle-seconds': { type: 'string' },
  'timeout-seconds': { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** @returns the exit code: 1 when the backend deviates */
export async function verify(
  args: readonly string[],
  say: (line: string) => void,
  progress: (text: string) => void,
): Promise<number> {
  const values = valuesOf(args, OPTIONS);
  const options = verifyOptionsOf(values);
  const keysFile = textOf(values, 'keys-file');
  const issuerOptions = issuerOptionsOf(values);
  const secondPort = portOf(values, 'second-port');
  return withMockIssuer({ ...issuerOptions, rotateSeconds: 0 }, keysFile, async (issuer) => {
    progress(`Mock issuer ${issuer.issuer}; trying ${options.url} `);
    const report = await verifyBackend({
      ...options,
      issuer,
      ...(secondPort === undefined ? {} : { secondIssuer: secondOf(issuerOptions, secondPort) }),
      onFinding: ({ deviation }) => {
        progress(deviation === null ? '.' : '!');
      },
    });
    progress('\n');
    say(values.get('json') === true ? JSON.stringify(report, null, 2) : reportTable(report));
    return report.deviations.length === 0 && report.baselineLetIn ? 0 : 1;
  });
}

/** @throws {UsageError} */
function verifyOptionsOf(values: Values): VerifyBackendOptions {
  const url = textOf(values, 'url') ?? '';
  if (!URL.canParse(url)) throw new UsageError('--url http://... of an endpoint is needed.');
  return {
    url,
    headers: headersOf(values),
    statusList: values.get('status-list') === true,
    caching: values.get('caching') === true,
    compareBodies: values.get('bodies') === true,
    ...present<VerifyBackendOptions>({
      url,
      method: textOf(values, 'method')?.toUpperCase(),
      body: bodyOf(values),
      unitPrimitive: textOf(values, 'unit-primitive'),
      patienceSeconds: numberOf(values, 'patience-seconds'),
      settleSeconds: numberOf(values, 'settle-seconds'),
      timeoutSeconds: numberOf(values, 'timeout-seconds'),
    }),
  };
}

/** As the first, but at another port and with keys of its own. */
function secondOf(first: MockIssuerOptions, port: number): MockIssuerOptions {
  const { host, audience } = first;
  return { ...present<MockIssuerOptions>({ host, audience }), port };
}

function bodyOf(values: Values): string | undefined {
  const path = textOf(values, 'body-file');
  if (path === undefined) return textOf(values, 'body');
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--body-file ${path}: ${error instanceof Error ? error.message : ''}`);
  }
}
