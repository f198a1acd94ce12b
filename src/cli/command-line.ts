import { parseArgs, type ParseArgsConfig } from 'node:util';

/** Where a command writes: results to `out`, errors to `err`. */
export interface Output {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

/** Runs a command with the arguments of this process, and exits with the status that it returns. */
export function runCommand(
  command: (args: readonly string[], output: Output) => Promise<number> | number,
): void {
  const run = async () => {
    process.exitCode = await command(process.argv.slice(2), {
      out: (line) => {
        console.log(line);
      },
      err: (line) => {
        console.error(line);
      },
    });
  };
  run().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}

type Options = NonNullable<ParseArgsConfig['options']>;

/** A kid is base64url (RFC 7638), so one of 32 begins with a dash or has one next. No option is so long. */
const DASHED_OPERAND = /^-[\w-]{20,}$/;

/**
 * Reads arguments as `parseArgs` does, and takes what people paste as it is: a kid that begins with a dash is not
 * an option, and neither is the text of an option. An option given twice is refused, because only one can be meant.
 * @throws {Error} with a message for the caller
 */
export function readArguments<const Known extends Options>(
  args: readonly string[],
  options: Known,
): ReturnType<typeof parseArgs<{ options: Known; strict: true; allowPositionals: true }>> {
  const sorted = withoutDashes(args, options);
  const twice = repeatedOption(sorted, options);
  if (twice !== null) throw new Error(`--${twice} is given more than once.`);
  try {
    return parseArgs({ args: sorted, options, strict: true, allowPositionals: true });
  } catch (error) {
    // Of Node's own, which need not be an Error of this realm.
    throw new Error(String(Reflect.get(Object(error) as object, 'message')), { cause: error });
  }
}

/** Joins each text with its option, and puts operands behind `--`. */
function withoutDashes(args: readonly string[], options: Options): string[] {
  const rest = [...args];
  const [read, operands]: [string[], string[]] = [[], []];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [next] = rest;
    if (arg === '--') operands.push(...rest.splice(0));
    else if (takesText(arg, options) && next !== undefined && !isOption(next, options)) {
      read.push(`${arg}=${next}`);
      rest.shift();
    } else if (arg.startsWith('-') && arg !== '-' && !DASHED_OPERAND.test(arg)) read.push(arg);
    else operands.push(arg);
  }
  return [...read, '--', ...operands];
}

function takesText(arg: string, options: Options): boolean {
  return Object.entries(options).some(
    ([name, { type }]) => type === 'string' && arg === `--${name}`,
  );
}

/** Whether `arg` is an option of this command. A forgotten text must not swallow it: `--reason --dry-run`. */
function isOption(arg: string, options: Options): boolean {
  const names = Object.keys(options);
  return arg === '-h' || names.some((name) => arg === `--${name}` || arg.startsWith(`--${name}=`));
}

function repeatedOption(args: readonly string[], options: Options): string | null {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const names = tokens.flatMap((token) => (token.kind === 'option' ? [token.name] : []));
  return names.find((name, index) => names.indexOf(name) !== index) ?? null;
}
