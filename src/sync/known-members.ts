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

/**
 * The same variables without such members: an input may also come as one variable. GraphQL would print
 * the whole input for each member that it does not know, a megabyte fifty times.
 */
export function withKnownVariables(variables: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, withKnownOnly(value)]),
  );
}

/** The input of an activation is the only object that the schema knows. */
function withKnownOnly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withKnownOnly);
  if (typeof value !== 'object' || value === null) return value;
  const known = Object.entries(value).filter(([name]) => KNOWN.has(name));
  return Object.fromEntries(known.map(([name, inner]) => [name, withKnownOnly(inner)]));
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
