import { InstanceClientError } from './errors.js';

/** Whether a value will do, and how a sentence goes on that says what it must be. */
export type Rule = readonly [is: (value: unknown) => boolean, must: string];
/** One for each member: a member without a rule does not compile. */
export type Rules<Input> = Readonly<Record<keyof Required<Input>, Rule>>;

export const TEXT: Rule = [
  (value) => typeof value === 'string' && value.trim() !== '',
  'must be a text that is not empty',
];
export const FUNCTION: Rule = [(value) => typeof value === 'function', 'must be a function'];
export const BOOLEAN: Rule = [(value) => typeof value === 'boolean', 'must be true or false'];
export const COUNT: Rule = [
  (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  'must be a whole number, 0 or more',
];
export const ID: Rule = [
  (value) => TEXT[0](value) || Number.isSafeInteger(value),
  'must be a text or a whole number',
];

export function optional([is, must]: Rule): Rule {
  return [(value) => value === undefined || is(value), must];
}

export function listOf([is, must]: Rule): Rule {
  const are = (value: unknown) => Array.isArray(value) && value.every((one) => is(one));
  return [are, `must be a list, each of which ${must}`];
}

export function having(...names: readonly ('now' | 'read' | 'update')[]): Rule {
  const has = (value: unknown) =>
    Object(value) === value &&
    names.every((name) => typeof Reflect.get(value as object, name) === 'function');
  return [has, `must be an object with ${names.map((name) => `${name}()`).join(' and ')}`];
}

/**
 * Checks what a caller gave, who may write JavaScript or read a configuration.
 * @throws {InstanceClientError} OPTION_INVALID, which names the member and never its value
 */
export function check<Input extends object>(
  what: string,
  given: Input,
  rules: Rules<Input>,
  unknown: 'refused' | 'ignored' = 'refused',
): void {
  if (Object(given) !== given) throw invalid(`${what} must be an object`);
  for (const [name, [is, must]] of Object.entries(rules) as [keyof Input & string, Rule][]) {
    if (!is(given[name])) throw invalid(`${name} ${must}`);
  }
  const stranger = Object.keys(given).find((name) => !Object.hasOwn(rules, name));
  if (unknown === 'refused' && stranger !== undefined) {
    throw invalid(`${stranger} is none of ${what}: ${Object.keys(rules).join(', ')}`);
  }
}

export function invalid(message: string): InstanceClientError {
  return new InstanceClientError('OPTION_INVALID', message);
}
