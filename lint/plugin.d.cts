import type { Rule } from 'eslint';

export const meta: { readonly name: string };
export const rules: {
  readonly [name in 'guarded-listeners' | 'no-lookup-by-text']: Rule.RuleModule;
};
