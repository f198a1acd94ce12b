import { readFile } from 'node:fs/promises';
import { hasErrno } from './file-trouble.js';
import { writeFileWhole } from './write-file-whole.js';

/**
 * The secret in `path`, made by `generate` when the file is not there. The file appears whole and
 * with mode 0600 or not at all, and the first of two starts at once wins.
 */
export async function generatedSecret(path: string, generate: () => string): Promise<string> {
  const held = await readIfThere(path);
  if (held !== null) return held;
  await writeFileWhole(path, generate(), { ifThere: 'keep' });
  return (await readFile(path, 'utf8')).trim();
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}
