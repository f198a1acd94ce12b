// Compiles the service, or the package whose folder is given, to its dist/ unless that is newer
// than everything that it is compiled from.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// As everywhere: at SIGUSR1 Node would open its inspector, and the environment may hold keys.
process.on('SIGUSR1', () => undefined);

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(checkout, process.argv[2] ?? '');
const sources = ['src', 'config', 'migrations', 'bench', 'tsconfig.json', 'tsconfig.build.json'];
const stamp = join(root, 'dist', '.built');

const newestChange = (path) => {
  const stats = statSync(path);
  if (!stats.isDirectory()) return /\.(ts|json)$/.test(path) ? stats.mtimeMs : 0;
  // A folder's own time tells of files that were taken away.
  return Math.max(
    stats.mtimeMs,
    ...readdirSync(path).map((name) => newestChange(join(path, name))),
  );
};

const changedAt = Math.max(
  ...sources
    .map((name) => join(root, name))
    .filter(existsSync)
    .map(newestChange),
);
if (!existsSync(stamp) || statSync(stamp).mtimeMs < changedAt) {
  let compiler;
  try {
    compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  } catch {
    // An image without development dependencies carries a finished build.
    if (existsSync(stamp)) process.exit(0);
    console.error('The TypeScript compiler is missing: run `npm ci` first.');
    process.exit(1);
  }
  console.error(['Compiling', process.argv[2], '...'].filter(Boolean).join(' '));
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, '');
}
