import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** How a request with these headers is answered; an error becomes `{"error": "..."}`. */
export type Answerer = (
  headers: Headers,
) => Promise<{ readonly status: number; readonly error?: string }>;

/** A backend with one endpoint, on loopback. */
export async function serveVerdicts(answer: Answerer): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const entries = Object.entries(request.headers);
    const headers = new Headers(entries.map(([name, value]) => [name, String(value)]));
    void answer(headers).then(({ status, ...body }) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat`, close };
}
