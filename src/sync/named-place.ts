import { type ASTNode, type GraphQLError, Kind, type NameNode, parse, visit } from 'graphql';
import { ARGUMENT_NAMES } from './fitted-document.js';
import { MAX_TOKENS } from './graphql-limits.js';

/** A word that cannot be a license key or an activation code: those are longer, or have other characters. */
const WORD = /^[a-z][A-Za-z]{1,22}$/;

const NAMED: ReadonlySet<Kind> = new Set([
  Kind.FIELD,
  Kind.ARGUMENT,
  Kind.OBJECT_FIELD,
  Kind.VARIABLE,
]);

/**
 * Names the fields, arguments and variables that an error of GraphQL is about: those around its place in
 * the document, and our own that its message names. Never a value, which may be a license key.
 */
export function namedPlace(query: string, error: GraphQLError): string {
  const named = ARGUMENT_NAMES.filter((name) => new RegExp(`\\b${name}\\b`).test(error.message));
  const names = new Set([...namesAround(query, error.positions?.[0]), ...named]);
  const [location] = error.locations ?? [];
  const place = location ? ` at line ${location.line}, column ${location.column}` : '';
  return names.size > 0 ? `${place} (look at ${[...names].join(', ')})` : place;
}

/** From the outermost to the innermost. */
function namesAround(query: string, position: number | undefined): readonly string[] {
  const names: string[] = [];
  if (position === undefined) return names;
  visit(parse(query, { maxTokens: MAX_TOKENS }), {
    enter(node: ASTNode) {
      const { start, end } = node.loc ?? { start: 0, end: 0 };
      if (position < start || position >= end) return false;
      if (isNamed(node) && WORD.test(node.name.value)) names.push(node.name.value);
      return undefined;
    },
  });
  return names;
}

function isNamed(node: ASTNode): node is Extract<ASTNode, { readonly name: NameNode }> {
  return NAMED.has(node.kind);
}
