import { UsageError } from './arguments.js';
import { serve } from './serve.js';
import { USAGE } from './usage.js';
import { verify } from './verify.js';
import { writeCorpus } from './write-corpus.js';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const tell = (text: string): void => {
  process.stderr.write(text);
};

async function main([command, ...rest]: readonly string[]): Promise<number> {
  const args = [command, ...rest].filter((argument) => argument !== undefined);
  if (args.includes('--help') || args.includes('-h')) {
    say(USAGE);
    return 0;
  }
  try {
    if (command === 'verify-backend') return await verify(rest, say, tell);
    if (command === 'write-corpus') {
      await writeCorpus(rest, say);
      return 0;
    }
    if (command !== undefined && !command.startsWith('-')) {
      throw new UsageError(`There is no command ${command}.`);
    }
    await serve(args, say);
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    tell(error instanceof UsageError ? `${message}\n\n${USAGE}\n` : `${message}\n`);
    return 2;
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    tell(`${String(error)}\n`);
    process.exitCode = 70;
  },
);
