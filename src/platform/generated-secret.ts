import { readFile } from 'node:fs/promises';
import { codeOf } from './code-of.js';
import { writeFileWhole } from './write-file-whole.js';

/**
 * The secret in the file `path`. When there is no file, `generate` makes the secret. Two starts at once
 * end up with the same secret.
 */
export async function generatedSecret(path: string, generate: () => string): Promise<string> {
  try {
    return await contentOf(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await writeFileWhole(path, generate(), 'keep');
  return contentOf(path);
}

async function contentOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).trim();
}
