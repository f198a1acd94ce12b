import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** The answer to one request. An object is sent as JSON with status 200. */
export type ScriptedAnswer = object | ((response: ServerResponse) => void);

export interface ScriptedServer {
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  /** Sets the answers to the next requests, in this order. The last answer repeats. */
  script(...answers: readonly ScriptedAnswer[]): void;
  stop(): Promise<void>;
}

/** An issuer whose answers a test sets. */
export async function startScriptedServer(): Promise<ScriptedServer> {
  let answers: ScriptedAnswer[] = [];
  const received: ReceivedRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      received.push({ path: request.url ?? '', headers: request.headers, body });
      const [answer = {}] = answers.length > 1 ? answers.splice(0, 1) : answers;
      if (typeof answer === 'function') (answer as (response: ServerResponse) => void)(response);
      else json(200, answer)(response);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    script: (...next) => {
      answers = [...next];
      received.length = 0;
    },
    stop: () =>
      new Promise((done) => {
        server.close(() => {
          done();
        });
        server.closeAllConnections();
      }),
  };
}

export function json(status: number, body: object, headers: Record<string, string> = {}) {
  return (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}
