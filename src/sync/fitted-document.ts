import { type DocumentNode, Kind, parse, parseType, print, type TypeNode, visit } from 'graphql';
import { MAX_TOKENS } from './graphql-limits.js';

/** The members of the input of `cloudActivationActivate`, with whether they are required. */
const MEMBERS: ReadonlyMap<string, boolean> = new Map([
  ['activationCode', true],
  ['instanceIdentifier', true],
  ['uniqueInstanceId', false],
  ['automated', false],
  ['gitlabVersion', false],
  ['hostname', false],
]);
/** The same for all arguments and members. */
const REQUIRED = new Map([...MEMBERS, ['licenseKey', true], ['input', true]]);
export const ARGUMENT_NAMES: readonly string[] = [...REQUIRED.keys()];

/** As many as Mercurius keeps. All clients of one version send the same document. */
const MAX_DOCUMENTS = 100;
const fitted = new Map<string, string>();

/**
 * GraphQL refuses a whole document for faults that do no harm here, and that no instance can mend. This
 * takes them out: members of an input that only newer instances know, variables that are declared but not
 * used, and required variables that are declared as nullable. Returns any other document unchanged, and
 * one that cannot be parsed.
 */
export function fittedDocument(query: string): string {
  const known = fitted.get(query);
  if (known !== undefined) return known;
  const document = parsed(query);
  const result = document === null ? query : fit(document, query);
  if (fitted.size >= MAX_DOCUMENTS) fitted.clear();
  fitted.set(query, result);
  return result;
}

function fit(document: DocumentNode, query: string): string {
  const pruned = visit(document, {
    // The input of an activation is the only input object of the schema.
    ObjectField: ({ name }) => (MEMBERS.has(name.value) ? undefined : null),
  });
  const uses = usesOf(pruned);
  const result = visit(pruned, {
    VariableDefinition(node) {
      const required = uses.get(node.variable.name.value);
      if (required === undefined) return null;
      return required && node.type.kind !== Kind.NON_NULL_TYPE
        ? { ...node, type: nonNull(node.type) }
        : undefined;
    },
  });
  return result === document ? query : print(result);
}

/** The names of the used variables, with whether one of their places requires a value. */
function usesOf(document: DocumentNode): ReadonlyMap<string, boolean> {
  const uses = new Map<string, boolean>();
  visit(document, {
    VariableDefinition: () => false,
    Variable({ name: { value } }, _key, parent) {
      const place = parent && 'name' in parent ? parent.name.value : undefined;
      uses.set(value, uses.get(value) === true || REQUIRED.get(place ?? '') === true);
    },
  });
  return uses;
}

function nonNull(type: TypeNode): TypeNode {
  return parseType(`${print(type)}!`);
}

/**
 * Removes unknown members from variables, because an input may also come as a variable. For each unknown
 * member GraphQL would print the whole input: a megabyte fifty times.
 */
export function withKnownVariables(variables: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, withKnownOnly(value)]),
  );
}

function withKnownOnly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withKnownOnly);
  if (typeof value !== 'object' || value === null) return value;
  const known = Object.entries(value).filter(([name]) => MEMBERS.has(name));
  return Object.fromEntries(known.map(([name, inner]) => [name, withKnownOnly(inner)]));
}

function parsed(query: string): DocumentNode | null {
  try {
    return parse(query, { noLocation: true, maxTokens: MAX_TOKENS });
  } catch {
    return null;
  }
}
