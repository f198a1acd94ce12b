import { type ParseArgsConfig, parseArgs } from 'node:util';

/** A command line that cannot be meant; the message says why. */
export class UsageError extends Error {}

export type Values = ReadonlyMap<string, string | boolean | (string | boolean)[] | undefined>;

/** @throws {UsageError} */
export function valuesOf(args: readonly string[], options: ParseArgsConfig['options']): Values {
  try {
    const { values } = parseArgs({
      args: joined(args, options),
      options: options ?? {},
      strict: true,
    });
    return new Map(Object.entries(values));
  } catch (error) {
    // Of an option that is not there, for one.
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Joins each text with its option. It may begin with a dash, and `parseArgs` would take it for an option. */
function joined(args: readonly string[], options: ParseArgsConfig['options'] = {}): string[] {
  const known = new Map(Object.entries(options).map(([name, { type }]) => [`--${name}`, type]));
  const rest = [...args];
  const all: string[] = [];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const next = known.get(arg) === 'string' ? rest[0] : undefined;
    // A forgotten text must not swallow the option after it.
    if (next === undefined || known.has(next.split('=')[0] ?? '')) all.push(arg);
    else all.push(`${arg}=${rest.shift() ?? ''}`);
  }
  return all;
}

export function textOf(values: Values, name: string): string | undefined {
  const value = values.get(name);
  return typeof value === 'string' ? value : undefined;
}

/** A timer of more milliseconds than a 32-bit integer has would end at once. */
const MAX_NUMBER = 2_000_000;

/** @throws {UsageError} unless it is a number from 0 to 2,000,000 (seconds: 23 days) */
export function numberOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= MAX_NUMBER) return value;
  throw new UsageError(`--${name} ${text}: a number from 0 to ${MAX_NUMBER} is needed.`);
}

/** @throws {UsageError} when it is no port */
export function portOf(values: Values, name = 'port'): number | undefined {
  const port = numberOf(values, name);
  if (port === undefined || (Number.isInteger(port) && port < 65_536)) return port;
  throw new UsageError(`--${name} ${port}: there is no such port.`);
}

/** `--header name=value`, as often as wanted; the value may have further `=`. */
export function headersOf(values: Values): Record<string, string> {
  const given = values.get('header');
  const headers = Array.isArray(given) ? given.map(String) : [];
  return Object.fromEntries(
    headers.map((header) => {
      const at = header.indexOf('=');
      if (at < 1) throw new UsageError(`--header ${header}: name=value is needed.`);
      return [header.slice(0, at), header.slice(at + 1)];
    }),
  );
}

/** The members that are there: an absent option is not the same as undefined. */
export function present<T extends object>(members: {
  [K in keyof T]: T[K] | undefined;
}): Partial<T> {
  const given = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Partial<T>;
}
