import type { ExecutionResult } from 'graphql';
import { GraphQLError } from 'graphql';
import { asIssuerError } from '../http/error-faces.js';
import { IssuerError } from '../platform/issuer-error.js';
import { fittedDocument, withKnownVariables } from './fitted-document.js';
import { couldBeJson, MAX_QUERY_LENGTH } from './graphql-limits.js';
import { namedPlace } from './named-place.js';

export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Record<string, unknown>;
  readonly operationName: string | undefined;
}

/** @throws {IssuerError} BAD_REQUEST for a body that is not a GraphQL request */
export function readGraphqlRequest(body: unknown): GraphqlRequest {
  if (!isRecord(body)) throw unusable('send one JSON object, not a batch.');
  const { query, operationName } = body;
  const variables = body['variables'] ?? {};
  if (typeof query === 'string' && query.length > MAX_QUERY_LENGTH) {
    throw unusable(`"query" may have ${MAX_QUERY_LENGTH} characters: send the key as a variable.`);
  }
  if (typeof query !== 'string' || couldBeJson(query)) {
    throw unusable('"query" must be a GraphQL document as a string.');
  }
  if (!isRecord(variables)) throw unusable('"variables" must be an object.');
  if (typeof operationName === 'string' || operationName === undefined || operationName === null) {
    return {
      query: fittedDocument(query),
      variables: withKnownVariables(variables),
      operationName: operationName ?? undefined,
    };
  }
  throw unusable('"operationName" must be a string.');
}

/**
 * The data of an execution without errors. Otherwise the first error is thrown: an instance must never
 * take half an answer for a whole one.
 */
export async function dataOf(query: string, execution: Promise<ExecutionResult>): Promise<unknown> {
  let result: ExecutionResult;
  try {
    result = await execution;
  } catch (error) {
    throw asRefusal(query, error);
  }
  const [first] = result.errors ?? [];
  if (!first) return result.data;
  // Without a path no field was executed: the request has the fault (a subscription, a variable).
  if (first.path === undefined && !first.originalError) throw refusalOf(query, first);
  throw first.originalError ?? first;
}

/** GraphQL's messages quote the request, which may contain a license key. Ours do not. */
function asRefusal(query: string, error: unknown): unknown {
  const errors: unknown = error instanceof Error ? Reflect.get(error, 'errors') : null;
  if (!Array.isArray(errors) || asIssuerError(error)?.code !== 'BAD_REQUEST') return error;
  const first: unknown = errors[0];
  if (!(first instanceof GraphQLError)) return unusable('the GraphQL document is too deep.');
  return refusalOf(query, first);
}

function refusalOf(query: string, error: GraphQLError): IssuerError {
  if (error.message.startsWith('Syntax Error')) {
    const [{ line, column } = { line: 1, column: 1 }] = error.locations ?? [];
    return unusable(`the GraphQL document cannot be parsed at line ${line}, column ${column}.`);
  }
  return unusable(`${whatIsWrong(error)}${namedPlace(query, error)}.`);
}

function whatIsWrong(error: GraphQLError): string {
  if (error.message.startsWith('Variable ')) {
    return 'a variable is missing or of the wrong type';
  }
  return 'the GraphQL document does not fit the schema or its limits (one sync and one catalog a request)';
}

function unusable(reason: string): IssuerError {
  return new IssuerError('BAD_REQUEST', `The request cannot be used: ${reason}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
