/**
 * The `code` of an error: an errno (`ENOENT`), an SQLSTATE (`42501`) or one of Node's own; null when it
 * has none. Any object will do: an error of `node:fs` may come from another realm.
 */
export function codeOf(error: unknown): string | null {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : null;
  return typeof code === 'string' ? code : null;
}
