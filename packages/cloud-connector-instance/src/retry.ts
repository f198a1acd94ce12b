import { InstanceClientError } from './errors.js';
import type { Settings } from './options.js';
import type { Answer } from './post-json.js';

/** Before the second, third and fourth attempt: three quick retries, as an instance makes them. */
const BACKOFF_MS = [2_000, 8_000, 32_000] as const;
/** A longer wait is left to the next hourly check. */
const LONGEST_WAIT_MS = 120_000;
/** The longest wait that an issuer can ask for: tokens live for only a few days. */
const LONGEST_RETRY_AFTER_MS = 6 * 3_600_000;

export interface Attempt {
  readonly answer: Answer | null;
  readonly error: InstanceClientError | null;
  /** Not before this instant, as the issuer asked; null when it did not. */
  readonly retryAt: Date | null;
}

/**
 * Repeats a request while the answer says "try again", at most three times. Waits grow exponentially, are
 * random by up to half, and respect `Retry-After`.
 */
export async function withRetries(
  settings: Settings,
  signal: AbortSignal,
  post: () => Promise<Answer>,
  isFinal: (answer: Answer) => boolean,
): Promise<Attempt> {
  for (let turn = 0; ; turn += 1) {
    const { answer, error } = await attempt(post);
    if (answer && isFinal(answer)) return { answer, error: null, retryAt: null };
    const now = settings.clock.now();
    const asked = retryAfterMs(answer?.retryAfter ?? null, now);
    const retryAt = asked === null ? null : new Date(now.getTime() + asked);
    const backoff = BACKOFF_MS[turn];
    const waitMs = Math.max((backoff ?? 0) * (0.5 + settings.random() / 2), asked ?? 0);
    if (backoff === undefined || waitMs > LONGEST_WAIT_MS || signal.aborted) {
      return { answer, error, retryAt };
    }
    const what = error?.message ?? `status ${answer?.status ?? 0}`;
    settings.log({
      level: 'warn',
      event: 'request_retried',
      message: `${what}: trying again in ${(waitMs / 1000).toFixed(1)} s`,
    });
    if (!(await waited(settings, waitMs, signal))) return { answer, error, retryAt };
  }
}

/**
 * RFC 9110 section 10.2.3: seconds, or an HTTP date. Null when absent or unreadable; six hours at
 * the most.
 */
export function retryAfterMs(header: string | null, now: Date): number | null {
  const text = header?.trim() ?? '';
  const milliseconds = /^\d+$/.test(text)
    ? Number(text) * 1000
    : Date.parse(/^[A-Z][a-z]+, /.test(text) ? text : '') - now.getTime();
  if (Number.isNaN(milliseconds)) return null;
  return Math.min(Math.max(milliseconds, 0), LONGEST_RETRY_AFTER_MS);
}

async function attempt(post: () => Promise<Answer>): Promise<Pick<Attempt, 'answer' | 'error'>> {
  try {
    return { answer: await post(), error: null };
  } catch (error) {
    if (error instanceof InstanceClientError) return { answer: null, error };
    throw error;
  }
}

/** False when the client was stopped meanwhile. */
async function waited({ wait }: Settings, milliseconds: number, signal: AbortSignal) {
  try {
    await wait(milliseconds, signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
