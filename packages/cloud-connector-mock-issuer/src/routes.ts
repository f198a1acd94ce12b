import type { IncomingMessage, ServerResponse } from 'node:http';
import { CORPUS } from './corpus.js';
import type { CorpusEntry, Expectation } from './corpus-entry.js';
import {
  answerFor,
  AUXILIARY_KEYS_PATH,
  auxiliaryKeys,
  DISCOVERY_PATH,
  KEYS_PATH,
  sendDocument,
} from './documents.js';
import { FAULTS, type Fault, type FaultyDocument, isFault } from './faults.js';
import { BadRequest, jsonBody, send, sendJson } from './http-edge.js';
import type { IssuerState, MintedToken, Mode } from './mock-issuer.js';
import type { TokenWishes } from './token-claims.js';

interface Visit {
  readonly state: IssuerState;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What the pattern's group found. */
  readonly found: string;
}

type Route = readonly [
  methods: string,
  pattern: RegExp,
  visit: (visit: Visit) => Promise<void> | void,
];

const DEFAULT_SLOW_SECONDS = 3;

export const WHAT_TO_ANSWER: Readonly<Record<Expectation, string>> = {
  accept: 'let it in',
  refuse: '401',
  forbid: '403',
  either: 'either',
};

const ROUTES: readonly Route[] = [
  ['GET', path(DISCOVERY_PATH), async (it) => sendDocument(it.state, 'discovery', it.response)],
  ['GET', path(KEYS_PATH), async (it) => sendDocument(it.state, 'keys', it.response)],
  ['GET', path('/status/0'), async (it) => sendDocument(it.state, 'status', it.response)],
  ['GET', path(AUXILIARY_KEYS_PATH), readAuxiliaryKeys],
  ['GET', /^\/elsewhere\/(keys|discovery|status)$/, readElsewhere],
  ['GET', path('/attacker/keys'), readAttackersKeys],
  ['GET', /^\/faults\/(\w+)\/keys$/, readFaultyKeys],
  ['GET', path('/tokens'), listTokens],
  ['GET POST', /^\/tokens\/([\w-]+)$/, mintToken],
  ['GET PUT', path('/mode'), readOrPutMode],
  ['POST', path('/rotate'), rotate],
];

/** Answers every request. */
export async function route(
  state: IssuerState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', state.issuer);
  // HEAD is answered as GET: node:http leaves the body out.
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  const matching = ROUTES.filter(([, pattern]) => pattern.test(url.pathname));
  const [right] = matching.filter(([methods]) => methods.split(' ').includes(method));
  if (!right) {
    const status = matching.length === 0 ? 404 : 405;
    throw new BadRequest(status, `There is no ${method} ${url.pathname} here; see GET /tokens.`);
  }
  const found = right[1].exec(url.pathname)?.[1] ?? '';
  await right[2]({ state, request, response, query: url.searchParams, found });
}

function path(exact: string): RegExp {
  return new RegExp(`^${exact.replaceAll('.', '\\.')}$`);
}

function readAuxiliaryKeys({ state, response }: Visit): void {
  state.fetches.auxiliary_keys += 1;
  send(response, auxiliaryKeys(state));
}

async function readElsewhere({ state, response, found }: Visit): Promise<void> {
  send(response, await answerFor(state, found as FaultyDocument));
}

function readAttackersKeys({ state, response }: Visit): void {
  state.fetches.attacker += 1;
  sendJson(response, { keys: [state.strangersKey] });
}

async function readFaultyKeys({ state, response, query, found }: Visit): Promise<void> {
  const fault = faultNamed(found);
  await sendDocument(state, 'keys', response, {
    fault,
    document: 'keys',
    seconds: secondsOf(Number(query.get('seconds') ?? DEFAULT_SLOW_SECONDS)),
  });
}

function listTokens({ state, response }: Visit): void {
  sendJson(response, { issuer: state.issuer, items: CORPUS.map(summary) });
}

async function mintToken({ state, request, response, query, found }: Visit): Promise<void> {
  const { format, ...members } = { ...Object.fromEntries(query), ...(await jsonBody(request)) };
  const minted = await state.mint(found, wishesOf(members));
  if (minted === null) throw new BadRequest(404, `There is no token ${found}; see GET /tokens.`);
  if (format !== 'text') {
    sendJson(response, {
      ...summary(minted.entry),
      token: minted.token,
      headers: headersOf(minted),
    });
    return;
  }
  const headers = { 'content-type': 'text/plain', 'cache-control': 'no-store' };
  send(response, { status: 200, headers, body: minted.token });
}

async function readOrPutMode({ state, request, response }: Visit): Promise<void> {
  if (request.method === 'PUT') state.mode = modeOf(await jsonBody(request));
  const { fault, document, seconds } = state.mode;
  sendJson(response, { mode: fault, what: FAULTS[fault], document, seconds, modes: FAULTS });
}

async function rotate({ state, response }: Visit): Promise<void> {
  state.ring.rotate();
  const published = await state.ring.published();
  const signing = await state.ring.signing();
  sendJson(response, { signing: signing.kid, published: published.map(({ kid }) => kid) });
}

function summary({ name, what, expected, needsStatusList }: CorpusEntry): object {
  const note = needsStatusList === true ? { only_if: 'you read status lists' } : {};
  return { name, what, backend_should: WHAT_TO_ANSWER[expected], ...note };
}

function headersOf({ token, headers }: MintedToken): Record<string, string> {
  return { Authorization: `Bearer ${token}`, ...headers };
}

/** @throws {BadRequest} 400 */
function modeOf({ mode, document = 'keys', seconds, ...others }: Record<string, unknown>): Mode {
  refuseOthers(others, 'mode, document, seconds');
  if (document !== 'keys' && document !== 'discovery' && document !== 'status') {
    throw new BadRequest(400, 'document: keys, discovery or status.');
  }
  return { fault: faultNamed(mode), document, seconds: secondsOf(seconds ?? DEFAULT_SLOW_SECONDS) };
}

function faultNamed(name: unknown): Fault {
  if (isFault(name)) return name;
  throw new BadRequest(400, `mode: one of ${Object.keys(FAULTS).join(', ')}.`);
}

function secondsOf(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 3600) return value;
  throw new BadRequest(400, 'seconds: from 0 to 3600.');
}

/** `audience` and `scopes` may be lists, or names with commas between them. */
function wishesOf(members: Record<string, unknown>): Partial<TokenWishes> {
  const { sub, realm, audience, scopes, issuer, ...others } = members;
  refuseOthers(others, 'sub, realm, issuer, audience, scopes, format');
  return {
    ...(issuer === undefined ? {} : { issuer: namesOf(issuer).join() }),
    ...(sub === undefined ? {} : { sub: namesOf(sub).join() }),
    ...(realm === undefined ? {} : { realm: namesOf(realm).join() }),
    ...(audience === undefined ? {} : { audiences: namesOf(audience) }),
    ...(scopes === undefined ? {} : { scopes: namesOf(scopes) }),
  };
}

/** Or a team would test with another token than it thinks. @throws {BadRequest} 400 */
function refuseOthers(others: object, known: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw new BadRequest(400, `${name} is unknown: there are ${known}.`);
}

/** @throws {BadRequest} 400 */
function namesOf(value: unknown): string[] {
  if (typeof value === 'string') return value.split(',').filter((name) => name !== '');
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw new BadRequest(
    400,
    'sub, realm, issuer, audience and scopes are strings, the last two also lists.',
  );
}
