import type { PermissionOptions } from './backend-user.js';
import { configuredIssuer, isSafeUrl, type TrustedIssuer } from './discovery.js';
import type { VerifierOptions } from './verifier-options.js';

type Rule = readonly [is: (value: unknown) => boolean, must: string];

/** The options with one form for each issuer and audience. */
export interface CheckedOptions extends VerifierOptions {
  readonly issuers: readonly TrustedIssuer[];
  readonly audience: readonly string[];
}

/** One for each member: a member without a rule does not compile. */
type Rules<Given> = Readonly<Record<keyof Required<Given>, Rule>>;

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isFunction = (value: unknown) => typeof value === 'function';

/** Not a string: JavaScript would concatenate it instead of adding it. */
const NUMBER: Rule = [
  (value) => Number.isFinite(value) && Number(value) >= 0,
  'must be a number, 0 or more',
];
const FUNCTION: Rule = [isFunction, 'must be a function'];

const OPTIONS: Rules<VerifierOptions> = {
  issuers: [
    (value) => Array.isArray(value) && value.length > 0,
    'must be a list of issuers, not empty',
  ],
  audience: [
    (value) => isText(value) || (Array.isArray(value) && value.length > 0),
    'must be a name, or a list of names that is not empty',
  ],
  clock: optional(FUNCTION),
  fetch: optional(FUNCTION),
  leewaySeconds: optional(NUMBER),
  timeoutMs: optional(NUMBER),
  cooldownSeconds: optional(NUMBER),
  maxStaleSeconds: optional(NUMBER),
  statusList: optional([(value) => typeof value === 'boolean', 'must be true or false']),
  whenStatusUnavailable: optional([
    (value) => value === 'accept' || value === 'refuse',
    "must be 'accept' or 'refuse'",
  ]),
  onEvent: optional(FUNCTION),
};

const SAFE_URL = 'must be an https URL (or http on a loopback host), without user and password';
const isSafe = (value: unknown) => isText(value) && isSafeUrl(String(value));
const isSafeIssuer = (value: unknown) => isSafe(value) && !/[?#]/.test(String(value));
const ISSUER: Rules<TrustedIssuer> = {
  issuer: [isSafeIssuer, `${SAFE_URL}, query and fragment`],
  keyOrigins: optional([
    (value) => Array.isArray(value) && value.every(isSafe),
    `must be a list; each ${SAFE_URL}`,
  ]),
  auxiliaryKeysUri: optional([isSafe, SAFE_URL]),
};

/**
 * Callers may write JavaScript, so types do not protect them. An unset variable would trust nobody, and a
 * misspelt option would be ignored.
 * @returns the options without white space around issuers and audiences, and issuers without a slash at the end
 * @throws TypeError that names the option and the position, and never a value: a URL may have a password
 */
export function checkedOptions(options: VerifierOptions): CheckedOptions {
  check('the options of a verifier', options, OPTIONS);
  const issuers = options.issuers.map((issuer, at) => checkedIssuer(issuer, `issuers[${at}]`));
  for (const [at, { issuer }] of issuers.entries()) {
    const first = issuers.findIndex((other) => other.issuer === issuer);
    if (first < at) throw new TypeError(`issuers[${at}] is the same as issuers[${first}]`);
  }
  const audience = [options.audience].flat().map((name, at) => {
    checkPresent(`audience[${at}]`, name);
    return name.trim();
  });
  return { ...options, issuers, audience };
}

/** @throws TypeError when an issuer that is to be disallowed has no name: it would be allowed */
export function checkPermission({ disallowedIssuers = [] }: PermissionOptions): void {
  if (!Array.isArray(disallowedIssuers)) throw new TypeError('disallowedIssuers must be a list');
  for (const [at, issuer] of (disallowedIssuers as unknown[]).entries()) {
    checkPresent(`disallowedIssuers[${at}]`, issuer);
  }
}

function checkedIssuer(given: string | TrustedIssuer, where: string): TrustedIssuer {
  const isObject = Object(given) === given;
  if (!isObject) checkPresent(where, given);
  const issuer = isObject ? (given as TrustedIssuer) : { issuer: given as string };
  check(where, issuer, ISSUER, isObject ? (name) => `${where}.${name}` : () => where);
  return { ...issuer, issuer: configuredIssuer(issuer.issuer) };
}

function checkPresent(where: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value.trim() !== '') return;
  const what =
    typeof value === 'string' ? 'empty' : value === undefined ? 'undefined' : 'not a text';
  throw new TypeError(`${where} is ${what}: is a variable of the environment not set?`);
}

function check<Given extends object>(
  what: string,
  given: Given,
  rules: Rules<Given>,
  called: (name: string) => string = (name) => name,
): void {
  if (Object(given) !== given) throw new TypeError(`${what} must be an object`);
  for (const [name, [is, must]] of Object.entries(rules) as [keyof Given & string, Rule][]) {
    if (!is(given[name])) throw new TypeError(`${called(name)} ${must}`);
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(rules, name));
  if (unknown === undefined) return;
  throw new TypeError(`${unknown} is not among ${what}: ${Object.keys(rules).join(', ')}`);
}

function optional([is, must]: Rule): Rule {
  return [(value) => value === undefined || is(value), must];
}
