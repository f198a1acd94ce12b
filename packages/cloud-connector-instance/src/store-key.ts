import { randomBytes } from 'node:crypto';
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, InstanceClientError } from './errors.js';
import { invalid } from './check-input.js';
import { writeWhole } from './write-whole.js';

const KEY_LENGTH = 32;

/** 32 bytes, as they are or in base64. @throws {InstanceClientError} OPTION_INVALID */
export function keyOf(key: Uint8Array | string): Buffer {
  const bytes = typeof key === 'string' ? Buffer.from(key.trim(), 'base64') : Buffer.from(key);
  if (bytes.length === KEY_LENGTH) return bytes;
  throw invalid('the key of the store must be 32 bytes, or these in base64');
}

/**
 * Reads the key from its file. A missing key is made, except when there is a store that only the lost key
 * can open.
 * @throws {InstanceClientError} STORE_KEY_UNSAFE, STORE_KEY_MISSING, OPTION_INVALID
 */
export async function keyFromFile(keyFile: string, storePath: string): Promise<Buffer> {
  try {
    return await readKeyFile(keyFile, storePath);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  if (await exists(storePath)) {
    throw new InstanceClientError(
      'STORE_KEY_MISSING',
      `${keyFile} is missing: put it back, or move ${storePath} away to start with an empty store`,
    );
  }
  await makeKeyFile(keyFile);
  return readKeyFile(keyFile, storePath);
}

async function readKeyFile(keyFile: string, storePath: string): Promise<Buffer> {
  const file = await open(keyFile, 'r');
  try {
    const { mode, ino, dev, uid } = await file.stat();
    // Windows has no owners of this kind.
    if (uid !== 0 && uid !== (process.getuid?.() ?? uid)) {
      throw unsafe(
        `${keyFile} belongs to another user, who can read it: chown it, or make a new one`,
      );
    }
    if ((mode & 0o077) !== 0) {
      throw unsafe(`other users may read ${keyFile}: chmod 600 it`);
    }
    const store = await statOf(storePath);
    if (store?.ino === ino && store.dev === dev) throw unsafe('the key is in the store itself');
    return keyOf(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Two processes that start at once get the same key. */
async function makeKeyFile(keyFile: string): Promise<void> {
  await mkdir(dirname(keyFile), { recursive: true, mode: 0o700 });
  await writeWhole(keyFile, `${randomBytes(KEY_LENGTH).toString('base64')}\n`, 'keep');
}

async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== null;
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function unsafe(message: string): InstanceClientError {
  return new InstanceClientError('STORE_KEY_UNSAFE', message);
}
