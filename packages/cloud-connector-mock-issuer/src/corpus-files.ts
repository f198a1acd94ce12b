import { wallClock } from './clock.js';
import {
  answerFor,
  auxiliaryKeys,
  DISCOVERY_PATH,
  KEYS_PATH,
  AUXILIARY_KEYS_PATH,
} from './documents.js';
import type { Expectation } from './corpus-entry.js';
import { CORPUS } from './corpus.js';
import { FAULTS, type Fault } from './faults.js';
import { HEADER_CASES, REALM_CASE } from './header-cases.js';
import { rightError, rightStatuses, type Wanted } from './judge-answer.js';
import { IssuerState, type MintedToken } from './mock-issuer.js';
import { type MockIssuerOptions, settingsOf } from './mock-issuer-options.js';

/** What the corpus is made for. Everything has a default. */
export interface CorpusOptions extends Pick<MockIssuerOptions, 'audience' | 'unitPrimitive'> {
  /** `iss`. Nothing has to be there. Default `https://issuer.example.com`. */
  readonly issuer?: string;
  /** When the tokens were made. Default: the wall clock. */
  readonly now?: Date;
  /** Until when good tokens are valid. Default: the year 2099. */
  readonly until?: Date;
}

/** One request to a backend, and what is right for it. */
interface CorpusRequest {
  readonly name: string;
  readonly what: string;
  readonly expected: Expectation;
  /** Null: any that lets it in (`accept`), or any below 500 (`either`). */
  readonly statuses: readonly number[] | null;
  /** What the body of a refusal says; null: not compared. */
  readonly error: string | null;
  /** What a backend needs for it; null: nothing special. */
  readonly needs: 'clock' | 'status_list' | null;
  readonly headers: Readonly<Record<string, string>>;
}

const DEFAULT_ISSUER = 'https://issuer.example.com';
const DEFAULT_UNTIL = new Date('2099-01-01T00:00:00Z');
/** Key sets with a fault that a backend sits out with the keys that it has. */
const KEY_SETS: readonly (readonly [Fault, Expectation])[] = [
  ['empty', 'accept'],
  ['not_an_object', 'accept'],
  ['key_without_kid', 'accept'],
  ['ec_key_first', 'accept'],
  ['null_member', 'accept'],
  ['only_newest', 'either'],
  ['only_oldest', 'either'],
];

/**
 * Everything that `verify-backend` sends, with new keys, as the contents of files: for backends that are tested
 * without Node.
 * @returns the contents by the name of the file
 * @throws {RangeError} when good tokens would have expired
 */
export async function corpusFiles(
  options: CorpusOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const { issuer = DEFAULT_ISSUER, now = wallClock(), until = DEFAULT_UNTIL, ...others } = options;
  if (until <= now) throw new RangeError('until must be after now');
  const tokenTtlSeconds = Math.floor((until.getTime() - now.getTime()) / 1000);
  const settings = settingsOf({ ...others, rotateSeconds: 0, tokenTtlSeconds, now: () => now });
  const state = await IssuerState.start(settings, issuer);
  const { unitPrimitive, wishes } = settings;
  const about = {
    issuer,
    audience: wishes.audiences[0],
    unit_primitive: unitPrimitive,
    now: Math.floor(now.getTime() / 1000),
    until: Math.floor(until.getTime() / 1000),
    documents: {
      [`${issuer}${DISCOVERY_PATH}`]: 'openid-configuration.json',
      [`${issuer}${KEYS_PATH}`]: 'keys.json',
      [`${issuer}${AUXILIARY_KEYS_PATH}`]: 'auxiliary_keys.json',
      [`${issuer}/status/0`]: 'status-list.jwt',
    },
  };
  const keys = (await answerFor(state, 'keys')).body;
  return new Map([
    ['requests.json', jsonText({ ...about, requests: await requestsOf(state, unitPrimitive) })],
    ['keys.json', jsonText(JSON.parse(keys))],
    ['openid-configuration.json', jsonText(JSON.parse((await answerFor(state, 'discovery')).body))],
    ['auxiliary_keys.json', jsonText(JSON.parse(auxiliaryKeys(state).body))],
    ['status-list.jwt', (await answerFor(state, 'status')).body],
    ['key-sets.json', jsonText(await keySetsOf(state))],
  ]);
}

async function requestsOf(state: IssuerState, unitPrimitive: string): Promise<CorpusRequest[]> {
  const requests: CorpusRequest[] = [];
  for (const entry of CORPUS) {
    const { anyError, needsClock, needsStatusList } = entry;
    const error = anyError === true ? null : rightError(entry.expected, unitPrimitive);
    const needs = needsStatusList === true ? 'status_list' : needsClock === true ? 'clock' : null;
    requests.push(requestOf({ ...entry, error }, await minted(state, entry.name), { needs }));
  }
  requests.push(requestOf(REALM_CASE, await minted(state, 'good', REALM_CASE.realm)));
  for (const one of HEADER_CASES) {
    const good = await minted(state, 'good');
    const changes = one.changes(good.token, good.headers['X-Gitlab-Instance-Id'] ?? '');
    requests.push(requestOf(one, good, { changes }));
  }
  return requests;
}

async function minted(state: IssuerState, name: string, realm?: string): Promise<MintedToken> {
  const made = await state.mint(name, realm === undefined ? {} : { realm });
  if (made === null) throw new Error(`the corpus has no ${name}`);
  return made;
}

function requestOf(
  wanted: Wanted,
  { token, headers }: MintedToken,
  about: {
    readonly needs?: CorpusRequest['needs'];
    readonly changes?: Readonly<Record<string, string | null>>;
  } = {},
): CorpusRequest {
  const sent: Record<string, string | null> = {
    Authorization: `Bearer ${token}`,
    ...headers,
    ...about.changes,
  };
  return {
    name: wanted.name,
    what: wanted.what,
    expected: wanted.expected,
    statuses: rightStatuses(wanted),
    error: wanted.error ?? null,
    needs: about.needs ?? null,
    headers: Object.fromEntries(
      Object.entries(sent).filter((entry): entry is [string, string] => entry[1] !== null),
    ),
  };
}

async function keySetsOf(state: IssuerState): Promise<object[]> {
  return Promise.all(
    KEY_SETS.map(async ([fault, expected]) => ({
      name: fault,
      what: FAULTS[fault],
      good_token_afterwards: expected,
      document: JSON.parse((await answerFor(state, 'keys', fault)).body) as unknown,
    })),
  );
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
