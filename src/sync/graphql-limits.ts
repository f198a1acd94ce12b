import { type ASTNode, type ASTVisitor, GraphQLError, type ValidationContext } from 'graphql';

export const MAX_DEPTH = 6;
export const MAX_TOKENS = 200;
/** Documents are remembered, and none that a client sends is a tenth as long. */
export const MAX_QUERY_LENGTH = 8192;
export const ACTIVATION_FIELD = 'cloudActivationActivate';
/** Each of these does work, or brings a long answer: the catalog has 40 KB. */
const FIELDS_ASKED_FOR_ONCE = new Set([
  'cloudConnectorAccess',
  ACTIVATION_FIELD,
  'catalog',
  'availableServices',
  'futureSubscriptions',
]);
/** Of any other field. Who asks for the schema names the same ones again and again. */
const MAX_MENTIONS = 10;

/**
 * At most one sync or activation a request, one catalog, and few of anything else. Every mention counts,
 * under whatever alias and in whatever fragment, so that no way of writing the document can ask for two
 * tokens or for an answer that is much longer than itself.
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
 * At most one spread of a fragment. One that stands three times in each of twelve others asks for
 * 500,000 fields with 200 tokens.
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
 * Mercurius takes a query that is no GraphQL for a syntax tree in JSON, past every limit on tokens.
 * True for a text that could be read as JSON: no GraphQL request starts like one.
 */
export function couldBeJson(query: string): boolean {
  return /^\s*(?:["[\d-]|true|false|null|\{\s*["}])/.test(query);
}
