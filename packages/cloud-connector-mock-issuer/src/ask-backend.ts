import type { Fetch } from './environment-proxy.js';
import type { BackendAnswer } from './judge-answer.js';
import type { HeaderChanges } from './header-cases.js';

/** Where the backend is, and what every request to it has. */
export interface BackendTarget {
  readonly url: string;
  readonly method: string;
  /** Sent as JSON unless `headers` say otherwise; null: none. */
  readonly body: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutSeconds: number;
  readonly fetch: Fetch;
}

/** One request. Never throws: no answer is an answer, too. */
export async function ask(target: BackendTarget, headers: HeaderChanges): Promise<BackendAnswer> {
  try {
    const response = await target.fetch(target.url, {
      method: target.method,
      headers: headersFor(target, headers),
      body: target.body,
      redirect: 'manual',
      signal: AbortSignal.timeout(target.timeoutSeconds * 1000),
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: null, failure: reasonOf(error) };
  }
}

function headersFor(target: BackendTarget, changes: HeaderChanges): Record<string, string> {
  const named = Object.entries(changes).filter((entry): entry is [string, string] => {
    return entry[1] !== null;
  });
  const contentType = target.body === null ? {} : { 'content-type': 'application/json' };
  return { ...contentType, ...target.headers, ...Object.fromEntries(named) };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  // fetch says no more than "fetch failed" by itself.
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return 'code' in cause ? `${String(cause.code)} ${cause.message}` : cause.message;
}
