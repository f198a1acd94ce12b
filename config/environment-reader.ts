import { readFileOf } from './read-file.js';

/** The variables of a process, as `process.env` holds them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads variables one by one and collects all faults. An empty variable counts as unset, because
 * docker-compose sets it like this.
 */
export class EnvironmentReader {
  readonly faults: string[] = [];

  private readonly environment: ReadonlyMap<string, string | undefined>;

  constructor(environment: Environment) {
    this.environment = new Map(Object.entries(environment));
  }

  text(name: string): string | null {
    const value = this.environment.get(name);
    return value === undefined || value === '' ? null : value;
  }

  integer(name: string, standard: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === null) return standard;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    this.faults.push(`${name}: must be a whole number from ${min} to ${max}`);
    return standard;
  }

  boolean(name: string, standard: boolean): boolean {
    const text = this.text(name);
    if (text === null) return standard;
    if (text === 'true' || text === 'false') return text === 'true';
    this.faults.push(`${name}: must be true or false`);
    return standard;
  }

  oneOf<Value extends string>(name: string, values: readonly Value[], standard: Value): Value {
    const text = this.text(name);
    if (text === null) return standard;
    const value = values.find((candidate) => candidate === text);
    if (value) return value;
    this.faults.push(`${name}: must be one of ${values.join(', ')}`);
    return standard;
  }

  /** Whether a secret is set, even if only to a file that cannot be read. */
  hasSecret(name: string): boolean {
    return this.text(name) !== null || this.text(`${name}_FILE`) !== null;
  }

  /** A secret from `name`, or from the file in `name`_FILE. Faults never quote it. */
  secret(name: string): string | null {
    const inline = this.text(name);
    const file = this.text(`${name}_FILE`);
    if (inline !== null && file !== null) {
      this.faults.push(`${name}: set either it or ${name}_FILE, not both`);
    }
    if (file === null) return inline;
    const content = readFileOf(`${name}_FILE`, file, this.faults);
    const secret = content?.toString('utf8').trim() ?? null;
    if (secret !== '') return secret;
    this.faults.push(`${name}_FILE: the file is empty`);
    return null;
  }
}
