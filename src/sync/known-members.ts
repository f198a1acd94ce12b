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
 * Removes input members that a newer instance sends when it activates and this schema does not know:
 * GraphQL would refuse the whole document. Also removes variables that are unused then. Returns any
 * other document unchanged, and one that cannot be parsed.
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
 * Removes the same members from variables, because an input may also come as a variable. For each unknown
 * member GraphQL would print the whole input: a megabyte fifty times.
 */
export function withKnownVariables(variables: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, withKnownOnly(value)]),
  );
}

/** The input of an activation is the only input object of the schema. */
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
