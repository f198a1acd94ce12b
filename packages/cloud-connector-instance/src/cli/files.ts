import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../errors.js';
import { invalid } from '../check-input.js';
import { writeWhole } from '../write-whole.js';
import { pastedText } from '../pasted-text.js';

/** The text of a file that has to be there. @throws {InstanceClientError} OPTION_INVALID */
export async function readSecret(path: string): Promise<string> {
  let text: string;
  try {
    text = pastedText(await readFile(path, 'utf8'));
  } catch (error) {
    throw invalid(`${path} cannot be read: ${errnoOf(error) ?? 'unknown'}`);
  }
  if (text === '') throw invalid(`${path} is empty`);
  return text;
}

/** The instance UUID that lies beside the store; made when there is none. */
export async function instanceIdBeside(store: string): Promise<string> {
  const path = `${store}.instance-id`;
  try {
    await mkdir(dirname(store), { recursive: true, mode: 0o700 });
    await writeWhole(path, `${randomUUID()}\n`, 'keep');
  } catch (error) {
    throw invalid(`${path} cannot be written: ${errnoOf(error) ?? 'unknown'}`);
  }
  return readSecret(path);
}

/**
 * One header a line, as `curl -H @FILE` reads them, replaced as a whole; null takes it away.
 * @throws {InstanceClientError} OPTION_INVALID
 */
export async function writeHeaders(
  path: string,
  headers: Readonly<Record<string, string>> | null,
): Promise<void> {
  try {
    if (!headers) {
      await rm(path, { force: true });
      return;
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`);
    await writeWhole(path, lines.join(''), 'replace');
  } catch (error) {
    throw invalid(`${path} cannot be written: ${errnoOf(error) ?? 'unknown'}`);
  }
}
