import { isObject } from './strict-json.js';

/** The global `fetch`, or one that stands in for it (a proxy, a CA of one's own). */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

export interface FetchedDocument {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** `Cache-Control: max-age` in seconds; null without one. */
  readonly maxAgeSeconds: number | null;
}

export interface FetchLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly accept: string;
}

/**
 * GET, without following redirects: they would let a host that is not trusted speak for one that is.
 * @throws Error whose message says what is wrong with the answer
 */
export async function fetchDocument(
  fetch: Fetch,
  url: string,
  { timeoutMs, maxBytes, accept }: FetchLimits,
): Promise<FetchedDocument> {
  // The signal also ends a body that trickles.
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { redirect: 'manual', signal, headers: { accept } });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url} answers with ${response.status}`);
  }
  return {
    bytes: await readBody(response, url, maxBytes),
    contentType: (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '',
    maxAgeSeconds: maxAgeOf(response.headers.get('cache-control')),
  };
}

async function readBody(response: Response, url: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (!response.body) return new Uint8Array();
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    // Leaving the loop ends the transfer.
    if (size > maxBytes) throw new Error(`${url} answers with more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function maxAgeOf(cacheControl: string | null): number | null {
  const directives = (cacheControl ?? '').toLowerCase().split(',');
  if (directives.some((directive) => /^\s*(no-store|no-cache)\b/.test(directive))) return 0;
  const seconds = directives.map((directive) => /^\s*max-age=(\d{1,10})\s*$/.exec(directive)?.[1]);
  const found = seconds.find((value) => value !== undefined);
  return found === undefined ? null : Number(found);
}

/** @throws Error when it is no JSON object */
export function jsonObject({ bytes }: FetchedDocument, url: string) {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new Error(`${url} answers with what is no JSON`);
  }
  if (!isObject(value)) throw new Error(`${url} answers with what is no JSON object`);
  return value;
}
