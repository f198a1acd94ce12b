// Runs the `build` script of the service, or of the package whose folder is given, unless its dist/ is
// newer than its sources: `npm start` is then as quick as the start itself.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// At SIGUSR1 Node would open its inspector, and the environment may hold keys.
process.on('SIGUSR1', () => undefined);

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(checkout, process.argv[2] ?? '');
const sources = ['src', 'config', 'migrations', 'bench', 'tsconfig.json', 'tsconfig.build.json'];
const stamp = join(root, 'dist', '.built');

const newestChange = (path) => {
  const stats = statSync(path);
  if (!stats.isDirectory()) return /\.(ts|json)$/.test(path) ? stats.mtimeMs : 0;
  // The time of a folder changes when a file is removed from it.
  return Math.max(
    stats.mtimeMs,
    ...readdirSync(path).map((name) => newestChange(join(path, name))),
  );
};
const paths = sources.map((name) => join(root, name)).filter(existsSync);
const isBuilt = existsSync(stamp);

if (!isBuilt || statSync(stamp).mtimeMs < Math.max(...paths.map(newestChange))) {
  if (!existsSync(join(checkout, 'node_modules', 'typescript'))) {
    // An image without development dependencies carries a finished build.
    if (isBuilt) process.exit(0);
    console.error('The TypeScript compiler is missing: run `npm ci` first.');
    process.exit(1);
  }
  console.error(['Compiling', process.argv[2], '...'].filter(Boolean).join(' '));
  const { status } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status === 127) console.error('A build tool is missing: run `npm ci` first.');
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stamp, '');
}
