import { errnoOf, InstanceClientError } from './errors.js';
import type { Settings } from './options.js';

/** A complete answer, of any status. */
export interface Answer {
  readonly status: number;
  /** The body when it was JSON, else undefined. */
  readonly json: unknown;
  readonly retryAfter: string | null;
  /** When the issuer answered, by its own clock; null when it did not say. */
  readonly date: Date | null;
}

/** Far above the longest answer, which is the catalog. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/**
 * One POST with the headers of an instance (contract section 1). It follows no redirects: the license key
 * goes only to the configured issuer.
 * @throws {InstanceClientError} UNREACHABLE without an answer in time, or for one that is too long
 */
export async function postJson(
  settings: Settings,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const response = await settings.fetch(settings.baseUrl + path, {
      method: 'POST',
      headers: instanceHeaders(settings),
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(settings.timeoutMs)]),
    });
    return {
      status: response.status,
      json: jsonOf(response.headers.get('content-type'), await bodyOf(response)),
      retryAfter: response.headers.get('retry-after'),
      date: dateOf(response.headers.get('date')),
    };
  } catch (error) {
    throw new InstanceClientError('UNREACHABLE', `no answer from the issuer: ${reasonOf(error)}`);
  }
}

function instanceHeaders(settings: Settings): Record<string, string> {
  return {
    'user-agent': `GitLab/${settings.gitlabVersion}`,
    accept: 'application/json',
    'content-type': 'application/json',
    'x-gitlab-host-name': settings.hostname,
    'x-gitlab-instance-id': settings.instanceId,
    'x-gitlab-realm': 'self-managed',
    'x-gitlab-version': settings.gitlabVersion,
  };
}

async function bodyOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const stream = response.body as AsyncIterable<Uint8Array> | null;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer is longer than 8 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function jsonOf(contentType: string | null, body: string): unknown {
  if (!/^application\/json\s*(;|$)/i.test(contentType ?? '')) return undefined;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

function dateOf(header: string | null): Date | null {
  const milliseconds = Date.parse(header ?? '');
  return Number.isNaN(milliseconds) ? null : new Date(milliseconds);
}

/** The cause of `fetch failed` has the reason (`connect ECONNREFUSED 127.0.0.1:3000`). */
function reasonOf(error: unknown): string {
  const { message, cause } = Object(error) as { message?: unknown; cause?: { message?: unknown } };
  // A connection that failed on every address has a cause without a message, but with a code.
  const texts = [cause?.message, errnoOf(cause), message];
  return texts.find((text) => typeof text === 'string' && text !== '')?.toString() ?? 'unknown';
}
