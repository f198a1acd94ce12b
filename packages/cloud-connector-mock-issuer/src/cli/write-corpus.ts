import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { corpusFiles, type CorpusOptions } from '../corpus-files.js';
import { present, textOf, UsageError, type Values, valuesOf } from './arguments.js';
import { writeWhole } from './write-whole.js';

const OPTIONS = {
  folder: { type: 'string' },
  issuer: { type: 'string' },
  audience: { type: 'string' },
  'unit-primitive': { type: 'string' },
  now: { type: 'string' },
  until: { type: 'string' },
} as const;

/** @throws {UsageError} */
export async function writeCorpus(
  args: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const values = valuesOf(args, OPTIONS);
  const folder = textOf(values, 'folder');
  if (folder === undefined) throw new UsageError('--folder PATH is needed.');
  const files = await corpusFiles(
    present<CorpusOptions>({
      issuer: textOf(values, 'issuer')?.replace(/\/+$/, ''),
      audience: textOf(values, 'audience'),
      unitPrimitive: textOf(values, 'unit-primitive'),
      now: instantOf(values, 'now'),
      until: instantOf(values, 'until'),
    }),
  );
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, content] of files) await writeWhole(join(folder, name), content, 0o644);
  } catch (error) {
    throw new UsageError(`--folder ${folder}: ${error instanceof Error ? error.message : ''}`);
  }
  say(`${folder}: ${[...files.keys()].join(', ')}`);
}

function instantOf(values: Values, name: string): Date | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  const instant = new Date(text);
  if (!Number.isNaN(instant.getTime())) return instant;
  throw new UsageError(`--${name} ${text}: an instant such as 2026-01-01T00:00:00Z is needed.`);
}
