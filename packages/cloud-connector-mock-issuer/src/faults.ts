import type { AuxiliaryKey } from './auxiliary-key.js';
import type { PublicJwk } from './mock-key.js';

/** What is wrong with a document; `normal`: nothing. */
export const FAULTS = {
  normal: 'nothing is wrong',
  broken_json: '200, and half of the document',
  empty: '200, and no keys: {"keys":[]}',
  only_newest: 'only the newest key',
  only_oldest: 'only the oldest key',
  key_without_kid: 'the first key has no `kid`',
  ec_key_first: 'a key of another type (EC) comes first',
  null_member: 'each key has a further member, which is null',
  not_an_object: '200, and a JSON array',
  error_500: '500 with an HTML page',
  slow: 'the right answer, after `seconds`',
  hanging: 'no answer; the connection stays open',
  reset: 'the connection is reset',
  redirect: '302 to the right document, elsewhere',
  huge: 'the right document behind 20 MB of white space',
  wrong_jwks_uri: 'discovery names a `jwks_uri` where nothing is',
} as const;

export type Fault = keyof typeof FAULTS;

/** What the fault is in. */
export type FaultyDocument = 'keys' | 'discovery' | 'status';

/** How to answer; what is `null` is not answered. */
export interface DocumentAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const HUGE_BYTES = 20 * 1024 * 1024;

export function isFault(name: unknown): name is Fault {
  return typeof name === 'string' && Object.hasOwn(FAULTS, name);
}

/** The key set with this fault in it (RFC 7517 section 5). */
export function faultyKeySet(
  fault: Fault,
  keys: readonly PublicJwk[],
  auxiliary: AuxiliaryKey,
): object {
  const [oldest] = keys;
  switch (fault) {
    case 'empty':
      return { keys: [] };
    case 'only_newest':
      return { keys: keys.slice(-1) };
    case 'only_oldest':
      return { keys: keys.slice(0, 1) };
    case 'key_without_kid':
      return { keys: [{ ...oldest, kid: undefined }, ...keys.slice(1)] };
    case 'ec_key_first':
      return { keys: [auxiliary.publicJwk, ...keys] };
    case 'null_member':
      return { keys: keys.map((key) => ({ ...key, x5c: null })) };
    case 'not_an_object':
      return keys;
    default:
      return { keys };
  }
}

/** A document as it goes out with this fault. */
export function faultyAnswer(
  fault: Fault,
  answer: DocumentAnswer,
  elsewhere: string,
): DocumentAnswer {
  switch (fault) {
    case 'broken_json':
      return { ...answer, body: answer.body.slice(0, answer.body.length / 2) };
    case 'error_500':
      return {
        status: 500,
        headers: { 'content-type': 'text/html' },
        body: '<html><body><h1>500 Internal Server Error</h1></body></html>',
      };
    case 'redirect':
      return { status: 302, headers: { location: elsewhere }, body: '' };
    case 'huge':
      return { ...answer, body: `${' '.repeat(HUGE_BYTES)}${answer.body}` };
    default:
      return answer;
  }
}
