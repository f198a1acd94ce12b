import { transformFileSync } from '@swc/core';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../..');
const COMPILED = [
  'src/embedded-postgres/data-dir-lock',
  ...['code-of', 'generated-secret', 'linux-process', 'write-file-whole'].map(
    (name) => `src/platform/${name}`,
  ),
  ...['clock', 'errors', 'write-whole'].map(
    (name) => `packages/cloud-connector-instance/src/${name}`,
  ),
  ...['clock', 'cli/write-whole'].map((name) => `packages/cloud-connector-mock-issuer/src/${name}`),
];

/**
 * Loaded before the code under test. Counts its steps on the file system; before step FAULT_AT the process
 * is killed, or the disk is full from then on. A write is cut in the middle, as the kernel may cut it.
 */
const PRELOAD = `
const files = require('node:fs/promises');
const { FAULT_AT, FAULT } = process.env;
let step = 0;
const needsSpace = new Set(['mkdir', 'open', 'link', 'rename', 'writeFile', 'sync']);
async function fault(name) {
  step += 1;
  if (FAULT === 'kill' && step === Number(FAULT_AT)) {
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => undefined);
  }
  if (FAULT === 'full' && step >= Number(FAULT_AT) && needsSpace.has(name)) {
    throw Object.assign(new Error('ENOSPC: no space left on device, ' + name), { code: 'ENOSPC' });
  }
}
function wrap(owner, name) {
  const original = owner[name];
  owner[name] = async function (...args) {
    await fault(name);
    return original.apply(this, args);
  };
}
module.exports = (async () => {
  const handle = await files.open(__filename, 'r');
  const FileHandle = Object.getPrototypeOf(handle);
  const write = FileHandle.writeFile;
  await handle.close();
  wrap(FileHandle, 'sync');
  FileHandle.writeFile = async function (content) {
    await write.call(this, content.slice(0, content.length / 2));
    await fault('writeFile');
    return write.call(this, content.slice(content.length / 2));
  };
  for (const name of ['mkdir', 'open', 'link', 'rename', 'rm']) wrap(files, name);
})();
`;

const WRITERS = {
  replace: `require('./src/platform/write-file-whole.js').writeFileWhole(path, 'new content')`,
  keep: `require('./src/platform/generated-secret.js').generatedSecret(path, () => 'new content')`,
  lock: `require('./src/embedded-postgres/data-dir-lock.js').lockDataDir(require('node:path').dirname(path))`,
  'client: replace': `require('./packages/cloud-connector-instance/src/write-whole.js').writeWhole(path, 'new content', 'replace')`,
  'client: keep': `require('./packages/cloud-connector-instance/src/write-whole.js').writeWhole(path, 'new content', 'keep')`,
  'mock-issuer': `require('./packages/cloud-connector-mock-issuer/src/cli/write-whole.js').writeWhole(path, 'new content')`,
} as const;

export interface FaultyWriter {
  /** Runs one writer in a process of its own. @returns its signal, or else its exit code */
  run(
    writer: keyof typeof WRITERS,
    path: string,
    fault: 'kill' | 'full',
    atStep: number,
  ): Promise<string | number | null>;
}

export async function buildFaultyWriter(): Promise<FaultyWriter & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'issuer-writer-'));
  for (const name of COMPILED) {
    const { code } = transformFileSync(join(ROOT, `${name}.ts`), {
      swcrc: false,
      jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, `${name}.js`), code);
  }
  await writeFile(join(folder, 'preload.js'), PRELOAD);
  for (const [name, call] of Object.entries(WRITERS)) {
    const script = `const path = process.argv[2];
      require('./preload.js').then(() => ${call}).catch(() => { process.exitCode = 1; });`;
    await writeFile(join(folder, `${name}.run.js`), script);
  }
  return {
    folder,
    run: async (writer, path, fault, atStep) => {
      const child = spawn(process.execPath, [join(folder, `${writer}.run.js`), path], {
        env: { FAULT: fault, FAULT_AT: String(atStep) },
        stdio: 'ignore',
      });
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
      return signal ?? code;
    },
  };
}
