import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy on a free port, which takes every host to the port that the test names for it. */
export class RecordingProxy {
  /** `CONNECT issuer.test:443`, or `POST http://backend.test/v1/chat`. */
  readonly requests: string[] = [];
  readonly credentials: (string | undefined)[] = [];
  /** When set, every request gets this status and no more. */
  refusal: number | null = null;
  private readonly server: Server;

  constructor(private readonly portOf: () => number) {
    this.server = createServer((request, response) => {
      this.note(request);
      const { method, headers, url = '' } = request;
      const { pathname, search } = new URL(url);
      const there = { host: '127.0.0.1', port: this.portOf(), path: pathname + search };
      const onward = send({ ...there, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    this.server.on('connect', (request, socket: Socket, head: Buffer) => {
      this.note(request);
      socket.on('error', () => undefined);
      if (this.refusal !== null) {
        socket.end(`HTTP/1.1 ${this.refusal} No\r\n\r\n`);
        return;
      }
      const onward = connect(this.portOf(), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.destroy());
    });
  }

  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private note({ method = '', url = '', headers }: IncomingMessage): void {
    this.requests.push(`${method} ${url}`);
    this.credentials.push(headers['proxy-authorization']);
  }
}
