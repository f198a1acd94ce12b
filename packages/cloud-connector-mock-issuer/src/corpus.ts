import { BAD_ALGORITHM_TOKENS } from './bad-algorithms.js';
import { BAD_CLAIM_TOKENS } from './bad-claims.js';
import { BAD_FORM_TOKENS } from './bad-forms.js';
import { BAD_KEY_TOKENS } from './bad-keys.js';
import type { CorpusEntry } from './corpus-entry.js';
import { GOOD_TOKENS } from './good-tokens.js';

/** Every token that the mock issuer knows to make, the good ones first. Names are unique and stay. */
export const CORPUS: readonly CorpusEntry[] = [
  ...GOOD_TOKENS,
  ...BAD_CLAIM_TOKENS,
  ...BAD_ALGORITHM_TOKENS,
  ...BAD_KEY_TOKENS,
  ...BAD_FORM_TOKENS,
];

export function corpusEntry(name: string): CorpusEntry | null {
  return CORPUS.find((entry) => entry.name === name) ?? null;
}
