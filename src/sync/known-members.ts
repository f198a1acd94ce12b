import { type DocumentNode, Kind, parse, print, visit } from 'graphql';
import { ACTIVATION_FIELD, MAX_TOKENS } from './graphql-limits.js';

/** The members of the input of `cloudActivationActivate`. */
const KNOWN = new Set([
  'activationCode',
  'instanceIdentifier',
  'uniqueInstanceId',
  'automated',
  'gitlabVersion',
  'hostname',
]);

/**
 * The same document without what a newer instance tells when it activates and this schema does not
 * know: GraphQL would refuse all of it. Variables that nothing uses any more go too. A document that
 * cannot be parsed, or activates nothing, comes back as it is.
 */
export function withKnownMembers(query: string): string {
  if (!query.includes(ACTIVATION_FIELD)) return query;
  const document = parsed(query);
  if (document === null) return query;
  const dropped: string[] = [];
  const pruned = visit(document, {
    Field(node) {
      if (node.name.value !== ACTIVATION_FIELD) return undefined;
      return {
        ...node,
        arguments: node.arguments?.map((argument) => {
          if (argument.name.value !== 'input' || argument.value.kind !== Kind.OBJECT) {
            return argument;
          }
          const fields = argument.value.fields.filter(({ name }) => {
            const known = KNOWN.has(name.value);
            if (!known) dropped.push(name.value);
            return known;
          });
          return { ...argument, value: { ...argument.value, fields } };
        }),
      };
    },
  });
  return dropped.length > 0 ? print(withoutUnusedVariables(pruned)) : query;
}

function parsed(query: string): DocumentNode | null {
  try {
    return parse(query, { noLocation: true, maxTokens: MAX_TOKENS });
  } catch {
    return null;
  }
}

function withoutUnusedVariables(document: DocumentNode): DocumentNode {
  const used = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Variable(node) {
      used.add(node.name.value);
    },
  });
  return visit(document, {
    VariableDefinition: (node) => (used.has(node.variable.name.value) ? undefined : null),
  });
}
