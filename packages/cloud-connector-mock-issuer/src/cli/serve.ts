import type { MockIssuerOptions } from '../mock-issuer-options.js';
import { numberOf, portOf, present, textOf, valuesOf, type Values } from './arguments.js';
import { readKeys, withMockIssuer } from './keys-file.js';

/** Those that both commands have. */
export const ISSUER_OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  issuer: { type: 'string' },
  audience: { type: 'string' },
  'unit-primitive': { type: 'string' },
  'keys-file': { type: 'string' },
} as const;

const OPTIONS = {
  ...ISSUER_OPTIONS,
  'rotate-seconds': { type: 'string' },
  'publish-late-seconds': { type: 'string' },
  'token-ttl-seconds': { type: 'string' },
} as const;

/** @throws {UsageError} */
export function issuerOptionsOf(values: Values): MockIssuerOptions {
  return present<MockIssuerOptions>({
    port: portOf(values),
    host: textOf(values, 'host'),
    issuer: textOf(values, 'issuer'),
    audience: textOf(values, 'audience'),
    unitPrimitive: textOf(values, 'unit-primitive'),
    rotateSeconds: numberOf(values, 'rotate-seconds'),
    publishLateSeconds: numberOf(values, 'publish-late-seconds'),
    tokenTtlSeconds: numberOf(values, 'token-ttl-seconds'),
    privateKeys: readKeys(textOf(values, 'keys-file')),
  });
}

/** Runs until a signal stops it. */
export async function serve(args: readonly string[], say: (line: string) => void): Promise<void> {
  const values = valuesOf(args, OPTIONS);
  const options = issuerOptionsOf(values);
  const seconds = options.rotateSeconds ?? 60;
  await withMockIssuer(options, textOf(values, 'keys-file'), async (issuer) => {
    say(`Mock issuer ${issuer.issuer}, on port ${issuer.port}`);
    say(seconds === 0 ? 'Keys stay until POST /rotate.' : `Keys rotate every ${seconds} s.`);
    say('');
    say(`  curl -s http://localhost:${issuer.port}/tokens            what there is`);
    say(`  curl -s http://localhost:${issuer.port}/tokens/expired    one of them`);
    say(`  curl -s -X PUT -d '{"mode":"empty"}' http://localhost:${issuer.port}/mode`);
    await new Promise((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
  });
}
