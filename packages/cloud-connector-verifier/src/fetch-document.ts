import type { Fetch } from './environment-proxy.js';
import { type Freshness, freshnessOf } from './freshness.js';
import { isObject } from './strict-json.js';

export interface FetchedDocument {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly freshness: Freshness;
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
    freshness: freshnessOf(response.headers),
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
