import type { ExtraClaims } from './self-issued-token-claims.js';

const MAX_IDS = 100;
const MAX_TEXT = 64;
const MAX_POLICY_BYTES = 4096;
const TEXT = /^[\x21-\x7e]+$/;

/** The rule of each allowed claim, and its message for the caller. */
const RULES: Readonly<
  Record<keyof ExtraClaims, readonly [rule: (value: unknown) => boolean, fault: string]>
> = {
  gitlab_namespace_id: [isId, 'must be an id, a text or a whole number'],
  gitlab_namespace_ids: [isIds, `must be a list of 1 to ${MAX_IDS} ids, texts or whole numbers`],
  gitlab_root_namespace_id: [isId, 'must be an id, a text or a whole number'],
  gitlab_project_id: [isId, 'must be an id, a text or a whole number'],
  skip_usage_cutoff: [(value) => typeof value === 'boolean', 'must be true or false'],
  tool_access_policies: [isJsonText, `must be a text of JSON, at most ${MAX_POLICY_BYTES} bytes`],
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

function isJsonText(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > MAX_POLICY_BYTES) return false;
  const bytes = Buffer.from(value);
  // Half a surrogate has no UTF-8.
  if (bytes.length > MAX_POLICY_BYTES || bytes.toString() !== value) return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

function isIds(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 1 && value.length <= MAX_IDS && value.every(isId);
}
