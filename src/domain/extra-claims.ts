import type { ExtraClaims } from './self-issued-token-claims.js';

const MAX_IDS = 100;
const MAX_TEXT = 64;
const TEXT = /^[\x21-\x7e]+$/;

/** The rule of each allowed claim, and its message for the caller. */
const RULES: Readonly<
  Record<keyof ExtraClaims, readonly [rule: (value: unknown) => boolean, fault: string]>
> = {
  gitlab_namespace_id: [isId, 'must be an id, a text or a whole number'],
  gitlab_namespace_ids: [isIds, `must be a list of 1 to ${MAX_IDS} ids, texts or whole numbers`],
  gitlab_root_namespace_id: [isId, 'must be an id, a text or a whole number'],
  gitlab_project_id: [isId, 'must be an id, a text or a whole number'],
};

/** The names of the claims that a caller may add to a self-issued token. */
export const EXTRA_CLAIM_NAMES = Object.keys(RULES) as readonly (keyof ExtraClaims)[];

/** The fault of an extra claim; null when it may be signed. */
export function extraClaimFault(name: string, value: unknown): string | null {
  if (!Object.hasOwn(RULES, name)) {
    return `may not be added: only ${EXTRA_CLAIM_NAMES.join(', ')} may`;
  }
  const [holds, fault] = RULES[name as keyof ExtraClaims];
  return holds(value) ? null : fault;
}

function isId(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 1;
  return typeof value === 'string' && value.length <= MAX_TEXT && TEXT.test(value);
}

function isIds(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 1 && value.length <= MAX_IDS && value.every(isId);
}
