import type { TrustedIssuer } from './discovery.js';
import type { VerifierOptions } from './verifier-options.js';

type Rule = readonly [is: (value: unknown) => boolean, must: string];
/** One for each member: a member without a rule does not compile. */
type Rules<Given> = Readonly<Record<keyof Required<Given>, Rule>>;

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
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
    (value) => isText(value) || (isTexts(value) && (value as unknown[]).length > 0),
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

const ISSUER: Rules<TrustedIssuer> = {
  issuer: [isText, 'must be a URL'],
  keyOrigins: optional([isTexts, 'must be a list of origins']),
  auxiliaryKeysUri: optional([isText, 'must be a URL']),
};

/**
 * Callers may write JavaScript, so types do not protect them. An unset variable would trust nobody, and a
 * misspelt option would be ignored.
 * @throws TypeError that names the option
 */
export function checkOptions(options: VerifierOptions): void {
  check('the options of a verifier', options, OPTIONS);
  for (const issuer of options.issuers) {
    if (typeof issuer === 'string' && issuer !== '') continue;
    check('an issuer', issuer as TrustedIssuer, ISSUER);
  }
}

function check<Given extends object>(what: string, given: Given, rules: Rules<Given>): void {
  if (Object(given) !== given) throw new TypeError(`${what} must be an object`);
  for (const [name, [is, must]] of Object.entries(rules) as [keyof Given & string, Rule][]) {
    if (!is(given[name])) throw new TypeError(`${name} ${must}`);
  }
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(rules, name));
  if (unknown === undefined) return;
  throw new TypeError(`${unknown} is not among ${what}: ${Object.keys(rules).join(', ')}`);
}

function optional([is, must]: Rule): Rule {
  return [(value) => value === undefined || is(value), must];
}
