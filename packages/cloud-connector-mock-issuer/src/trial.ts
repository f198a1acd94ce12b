import { setTimeout as wait } from 'node:timers/promises';
import { ask, type BackendTarget } from './ask-backend.js';
import { type BackendAnswer, type Finding, isLetIn } from './judge-answer.js';
import type { MockIssuer } from './start-mock-issuer.js';
import type { TokenWishes } from './token-claims.js';

/** What a phase needs to try something. */
export interface Trial {
  readonly issuer: MockIssuer;
  readonly target: BackendTarget;
  /** How long a backend may take to learn a new key. */
  readonly patienceSeconds: number;
  /** How long to wait before each broken key set, so that the backend is willing to fetch again. */
  readonly settleSeconds: number;
  readonly note: (finding: Finding) => void;
}

const PAUSE_MS = 500;

/**
 * Asks with a good token until it is let in, for as long as patience lasts: a backend that knows the
 * keys of an earlier run may fetch only now and then.
 */
export async function untilLetIn(trial: Trial): Promise<BackendAnswer> {
  const tries = Math.ceil((trial.patienceSeconds * 1000) / PAUSE_MS);
  let answer = await sent(trial, 'good');
  for (let left = tries; left > 0 && !isLetIn(answer); left -= 1) {
    await wait(PAUSE_MS);
    answer = await sent(trial, 'good');
  }
  return answer;
}

/**
 * The answer to a token of the corpus, with the headers that fit it.
 * @param issuer who makes the token; default: the one whose turn it is
 */
export async function sent(
  trial: Trial,
  name: string,
  wishes: Partial<TokenWishes> = {},
  issuer = trial.issuer,
): Promise<BackendAnswer> {
  const minted = await issuer.mint(name, wishes);
  if (minted === null) throw new Error(`the corpus has no ${name}`);
  return ask(trial.target, { ...minted.headers, Authorization: `Bearer ${minted.token}` });
}
