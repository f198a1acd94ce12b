import { GraphQLError, type ValidationContext } from 'graphql';
import type { ASTVisitor } from 'graphql';

export const MAX_DEPTH = 6;
export const MAX_TOKENS = 200;
/** Documents are remembered, and none that a client sends is a tenth as long. */
export const MAX_QUERY_LENGTH = 8192;
export const ACTIVATION_FIELD = 'cloudActivationActivate';
const WORK_FIELDS = ['cloudConnectorAccess', ACTIVATION_FIELD];

/**
 * At most one sync or activation a request. Every mention counts, under whatever alias and in whatever
 * fragment, so that no way of writing the document can ask for two tokens.
 */
export function oneFieldPerRequest(context: ValidationContext): ASTVisitor {
  let mentions = 0;
  return {
    Field(node) {
      if (!WORK_FIELDS.includes(node.name.value)) return;
      mentions += 1;
      if (mentions === 2) {
        context.reportError(
          new GraphQLError(`a request may ask for ${node.name.value} once`, { nodes: node }),
        );
      }
    },
  };
}

/**
 * Mercurius takes a query that is no GraphQL for a syntax tree in JSON, past every limit on tokens.
 * True for a text that could be read as JSON: no GraphQL request starts like one.
 */
export function couldBeJson(query: string): boolean {
  return /^\s*(?:["[\d-]|true|false|null|\{\s*["}])/.test(query);
}
