import { createPrivateKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { MockIssuerOptions } from '../mock-issuer-options.js';
import { type MockIssuer, startMockIssuer } from '../start-mock-issuer.js';
import type { PrivateJwk } from '../mock-key.js';
import { UsageError } from './arguments.js';
import { writeWhole } from './write-whole.js';

/**
 * The keys of an earlier run; none when there is no such file yet.
 * @throws {UsageError} when it holds something else
 */
export function readKeys(path: string | undefined): readonly PrivateJwk[] {
  if (path === undefined) return [];
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as { keys?: unknown } | null;
    if (Array.isArray(value?.keys) && value.keys.every(isPrivateKey)) return value.keys;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
  }
  throw new UsageError(`--keys-file ${path} does not hold keys of an earlier run.`);
}

function isPrivateKey(value: unknown): value is PrivateJwk {
  try {
    return (
      createPrivateKey({ key: value as JsonWebKey, format: 'jwk' }).asymmetricKeyType === 'rsa'
    );
  } catch {
    return false;
  }
}

/**
 * Runs `work` with a mock issuer that ends with it. Its keys are kept before and after, for caches that
 * outlive this run.
 * @throws {UsageError} when the file cannot be written
 */
export async function withMockIssuer<Result>(
  options: MockIssuerOptions,
  keysFile: string | undefined,
  work: (issuer: MockIssuer) => Promise<Result>,
): Promise<Result> {
  const issuer = await startMockIssuer(options);
  try {
    await keepKeys(keysFile, issuer);
    const result = await work(issuer);
    await keepKeys(keysFile, issuer);
    return result;
  } finally {
    await issuer.close();
  }
}

async function keepKeys(path: string | undefined, issuer: MockIssuer): Promise<void> {
  if (path === undefined) return;
  const text = JSON.stringify({ keys: await issuer.privateKeys() });
  try {
    await writeWhole(path, text);
  } catch (error) {
    throw new UsageError(`--keys-file ${path}: ${error instanceof Error ? error.message : 'no'}`);
  }
}
