import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DocumentAnswer } from './faults.js';

const MAX_BODY_BYTES = 64 * 1024;

/** A request that is wrong; the message is what it gets to read. */
export class BadRequest extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export function send(response: ServerResponse, { status, headers, body }: DocumentAnswer): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
}

/** JSON for people, who read it in a terminal. */
export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  send(response, { status, headers, body: `${JSON.stringify(body, null, 2)}\n` });
}

/**
 * The members of a JSON body; none without a body.
 * @throws {BadRequest} 400 when it is no JSON object, 413 when it is endless
 */
export async function jsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY_BYTES) throw new BadRequest(413, 'The body is too large.');
  }
  if (text.trim() === '') return {};
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadRequest(400, 'The body must be a JSON object.');
  }
  return { ...value };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
