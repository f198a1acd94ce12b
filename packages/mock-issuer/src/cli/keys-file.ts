import { readFileSync, writeFileSync } from 'node:fs';
import type { MockIssuer } from '../start-mock-issuer.js';
import type { PrivateJwk } from '../mock-key.js';
import { UsageError } from './arguments.js';

/**
 * The keys of an earlier run; none when there is no such file yet.
 * @throws {UsageError} when it holds something else
 */
export function readKeys(path: string | undefined): readonly PrivateJwk[] {
  if (path === undefined) return [];
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as { keys?: unknown } | null;
    if (Array.isArray(value?.keys)) return value.keys as PrivateJwk[];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
  }
  throw new UsageError(`--keys-file ${path} does not hold keys of an earlier run.`);
}

export async function keepKeys(path: string | undefined, issuer: MockIssuer): Promise<void> {
  if (path === undefined) return;
  writeFileSync(path, JSON.stringify({ keys: await issuer.privateKeys() }), { mode: 0o600 });
}
