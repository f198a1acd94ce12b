import { GraphQLError, type ValidationContext } from 'graphql';
import type { ASTVisitor } from 'graphql';

export const MAX_DEPTH = 6;
export const MAX_TOKENS = 200;
/** Documents are remembered, and none that a client sends is a tenth as long. */
export const MAX_QUERY_LENGTH = 8192;
const SYNC_FIELD = 'cloudConnectorAccess';

/**
 * At most one sync a request. Every mention counts, under whatever alias and in whatever fragment,
 * so that no way of writing the document can ask for two tokens.
 */
export function oneSyncPerRequest(context: ValidationContext): ASTVisitor {
  let mentions = 0;
  return {
    Field(node) {
      if (node.name.value !== SYNC_FIELD) return;
      mentions += 1;
      if (mentions === 2) {
        context.reportError(
          new GraphQLError(`a request may ask for ${SYNC_FIELD} once`, { nodes: node }),
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
