import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import {
  type DocumentAnswer,
  type Fault,
  faultyAnswer,
  type FaultyDocument,
  faultyKeySet,
} from './faults.js';
import { send } from './http-edge.js';
import type { IssuerState, Mode } from './mock-issuer.js';

export const KEYS_PATH = '/oauth/discovery/keys';
export const AUXILIARY_KEYS_PATH = '/oauth/discovery/auxiliary_keys';
export const DISCOVERY_PATH = '/.well-known/openid-configuration';

/** For backends that ask for no longer than a caller says. */
const MAX_AGE_SECONDS = 60;

/** Answers with a document, or with what the mode makes of it. */
export async function sendDocument(
  state: IssuerState,
  document: FaultyDocument,
  response: ServerResponse,
  mode: Mode = state.mode,
): Promise<void> {
  state.fetches[document] += 1;
  // A wrong address stands in discovery, whatever document the caller had in mind.
  const concerned = mode.fault === 'wrong_jwks_uri' ? 'discovery' : mode.document;
  const fault: Fault = concerned === document ? mode.fault : 'normal';
  if (fault === 'hanging') return;
  if (fault === 'reset') {
    response.socket?.resetAndDestroy();
    return;
  }
  if (fault === 'slow') await wait(mode.seconds * 1000, undefined, { ref: false });
  const answer = await answerFor(state, document, fault);
  send(response, faultyAnswer(fault, answer, `${state.issuer}/elsewhere/${document}`));
}

/** @param fault as far as it changes what the document says */
export async function answerFor(
  state: IssuerState,
  document: FaultyDocument,
  fault: Fault = 'normal',
): Promise<DocumentAnswer> {
  if (document === 'status') return answer(state, 'application/statuslist+jwt', state.statusList());
  const body =
    document === 'keys'
      ? faultyKeySet(fault, await state.ring.published(), state.auxiliary)
      : discovery(state, fault);
  return answer(state, 'application/json', JSON.stringify(body));
}

export function auxiliaryKeys(state: IssuerState): DocumentAnswer {
  const body = JSON.stringify({ keys: [state.auxiliary.publicJwk] });
  return answer(state, 'application/json', body);
}

function discovery({ issuer }: IssuerState, fault: Fault): object {
  const path = fault === 'wrong_jwks_uri' ? '/nothing/is/here' : KEYS_PATH;
  return {
    issuer,
    jwks_uri: `${issuer}${path}`,
    id_token_signing_alg_values_supported: ['RS256'],
  };
}

function answer(state: IssuerState, contentType: string, body: string): DocumentAnswer {
  const maxAge = Math.min(MAX_AGE_SECONDS, state.ring.secondsToChange() ?? MAX_AGE_SECONDS);
  return {
    status: 200,
    headers: { 'content-type': contentType, 'cache-control': `public, max-age=${maxAge}` },
    body,
  };
}
