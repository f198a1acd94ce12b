import { createServer, type Server } from 'node:http';

/** How a request with these headers is answered; an error becomes `{"error": "..."}`. */
export type Answerer = (
  headers: Headers,
) => Promise<{ readonly status: number; readonly error?: string }>;

/** A backend with one endpoint. */
export function verdictServer(answer: Answerer): Server {
  return createServer((request, response) => {
    const entries = Object.entries(request.headers);
    const headers = new Headers(entries.map(([name, value]) => [name, String(value)]));
    void answer(headers).then(({ status, ...body }) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  });
}
