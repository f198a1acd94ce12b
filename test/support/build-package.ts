import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { lockDataDir } from '../../src/embedded-postgres/data-dir-lock.js';

const ROOT = resolve(__dirname, '../..');

/** Compiles a package such as `client` unless that is done. Specs side by side wait for one another. */
export async function buildPackage(name: string): Promise<void> {
  const dist = join(ROOT, 'packages', name, 'dist');
  await mkdir(dist, { recursive: true });
  const lock = await lockOf(dist);
  try {
    const script = join(ROOT, 'scripts', 'build-when-needed.mjs');
    await promisify(execFile)(process.execPath, [script, join('packages', name)]);
  } finally {
    await lock.release();
  }
}

async function lockOf(folder: string): ReturnType<typeof lockDataDir> {
  for (;;) {
    try {
      return await lockDataDir(folder);
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('in use by'))) throw error;
      await sleep(100);
    }
  }
}
