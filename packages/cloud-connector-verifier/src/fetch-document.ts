import { isObject } from './strict-json.js';

/** The global `fetch` or a replacement (for a proxy or a private CA). */
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
 * GET without redirects, which could lead to an untrusted host.
 * @throws Error that says what is wrong with the answer
 */
export async function fetchDocument(
  fetch: Fetch,
  url: string,
  { timeoutMs, maxBytes, accept }: FetchLimits,
): Promise<FetchedDocument> {
  // The signal also ends a slow body.
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

/** @throws Error when it is not a JSON object */
export function jsonObject({ bytes }: FetchedDocument, url: string) {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw new Error(`${url} does not answer with JSON`);
  }
  if (!isObject(value)) throw new Error(`${url} does not answer with a JSON object`);
  return value;
}
