import { type ASTNode, type ASTVisitor, GraphQLError, type ValidationContext } from 'graphql';

export const MAX_DEPTH = 6;
export const MAX_TOKENS = 200;
/** Parsed documents are cached. Those of real clients have less than a tenth of this length. */
export const MAX_QUERY_LENGTH = 8192;
export const ACTIVATION_FIELD = 'cloudActivationActivate';
/** Each of these costs work or makes the answer long: the catalog has 40 KB. */
const FIELDS_ASKED_FOR_ONCE = new Set([
  'cloudConnectorAccess',
  ACTIVATION_FIELD,
  'catalog',
  'availableServices',
  'futureSubscriptions',
]);
/** For any other field. Introspection queries repeat field names. */
const MAX_MENTIONS = 10;

/**
 * Allows one sync or activation in a request, one catalog, and a few of any other field. Every mention of
 * a field counts, under any alias and in any fragment. So no document can ask for two tokens, or for an
 * answer that is much longer than itself.
 */
export function boundedMentions(context: ValidationContext): ASTVisitor {
  const mentions = new Map<string, number>();
  return {
    Field(node) {
      const name = node.name.value;
      const field = `${context.getParentType()?.name ?? ''}.${name}`;
      const count = (mentions.get(field) ?? 0) + 1;
      mentions.set(field, count);
      const most = FIELDS_ASKED_FOR_ONCE.has(name) ? 1 : MAX_MENTIONS;
      if (count === most + 1) context.reportError(tooMany(name, most, node));
    },
  };
}

/**
 * Allows one spread of each fragment. Twelve fragments that each spread the next one three times would ask
 * for 500,000 fields with 200 tokens.
 */
export function oneSpreadPerFragment(context: ValidationContext): ASTVisitor {
  const spreads = new Set<string>();
  return {
    FragmentSpread(node) {
      const name = node.name.value;
      if (spreads.has(name)) context.reportError(tooMany(name, 1, node));
      spreads.add(name);
    },
  };
}

function tooMany(name: string, most: number, node: ASTNode): GraphQLError {
  return new GraphQLError(`a request may ask for ${name} at most ${most} times`, { nodes: node });
}

/**
 * True for a text that could be JSON; no GraphQL document starts like JSON. Mercurius would read such a
 * query as a syntax tree, and no limit on tokens would apply.
 */
export function couldBeJson(query: string): boolean {
  return /^\s*(?:["[\d-]|true|false|null|\{\s*["}])/.test(query);
}
