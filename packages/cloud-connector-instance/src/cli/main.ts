import { run } from './run.js';

const ended = new Promise<void>((end) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      end();
    });
});

run(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`), ended).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 70;
  },
);
