import type { Expectation } from './corpus-entry.js';

/** What a backend answered: a status, or why there is none. */
export type BackendAnswer =
  | { readonly status: number; readonly body: string }
  | { readonly status: null; readonly failure: string };

/**
 * `accepted`: let in what it should not. `refused`: did not let in what it should.
 * `wrong_answer`: refused rightly, but not with the status (or body) that clients read.
 * `no_answer`: none in time. `followed`: refused, but fetched an address that the token named.
 */
export type Deviation = 'accepted' | 'refused' | 'wrong_answer' | 'no_answer' | 'followed';

/** One thing that was tried. */
export interface Finding {
  readonly name: string;
  readonly what: string;
  readonly expected: Expectation;
  readonly status: number | null;
  /** null: as it should be. */
  readonly deviation: Deviation | null;
  /** For a reader: how it differs. */
  readonly detail: string | null;
}

export interface Wanted {
  readonly name: string;
  readonly what: string;
  readonly expected: Expectation;
  readonly alsoRight?: readonly number[];
  /** What the body says; looked at only when bodies are compared. */
  readonly error?: string | null | undefined;
}

const STATUS = { refuse: 401, forbid: 403 } as const;

/** The right statuses; null where the backend lets it in, or may do either. */
export function rightStatuses({ expected, alsoRight = [] }: Wanted): readonly number[] | null {
  return expected === 'refuse' || expected === 'forbid' ? [STATUS[expected], ...alsoRight] : null;
}

/** What the field's backends say in a refusal (the contract's section on validators); null: nothing certain. */
export function rightError(expected: Expectation, unitPrimitive: string): string | null {
  if (expected === 'refuse') return 'Forbidden by auth provider';
  return expected === 'forbid' ? `Unauthorized to access ${unitPrimitive}` : null;
}

/** Compares an answer with what was wanted. */
export function judged(wanted: Wanted, answer: BackendAnswer, compareBodies = false): Finding {
  const { name, what, expected } = wanted;
  const [deviation, detail] = deviationOf(wanted, answer, compareBodies);
  return { name, what, expected, status: answer.status, deviation, detail };
}

/** Whether it got past the backend's authentication: what a handler says then is its own affair. */
export function isLetIn(answer: BackendAnswer): boolean {
  const { status } = answer;
  // A redirect leads to a log-in.
  return status !== null && status !== 401 && status !== 403 && !isRedirect(status) && status < 500;
}

function deviationOf(
  wanted: Wanted,
  answer: BackendAnswer,
  compareBodies: boolean,
): readonly [Deviation | null, string | null] {
  const { expected, alsoRight = [] } = wanted;
  if (answer.status === null) {
    // A header that is too large may cost the connection.
    return alsoRight.includes(431) ? [null, answer.failure] : ['no_answer', answer.failure];
  }
  const { status, body } = answer;
  if (alsoRight.includes(status)) return [null, null];
  if (expected === 'accept') return isLetIn(answer) ? [null, null] : ['refused', `${status}`];
  if (expected === 'either') {
    return status >= 500 ? ['wrong_answer', `${status}: it fell over`] : [null, null];
  }
  if (isLetIn(answer)) return ['accepted', `${status}`];
  const right = STATUS[expected];
  if (status !== right) return ['wrong_answer', `${status} instead of ${right}`];
  const said = errorOf(body);
  if (!compareBodies || (wanted.error ?? null) === null || said === wanted.error)
    return [null, null];
  return ['wrong_answer', `the body says ${JSON.stringify(said)} instead of "${wanted.error}"`];
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** The field's backends say why they answer 401 in `error`, and why 403 in `detail`. */
function errorOf(body: string): unknown {
  try {
    const { error, detail } = (JSON.parse(body) ?? {}) as { error?: unknown; detail?: unknown };
    return error ?? detail ?? null;
  } catch {
    return null;
  }
}
