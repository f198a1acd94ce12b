import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A proxy to the Postgres of the test run, at a fixed address. It can be closed and opened again. */
export class DatabaseLink {
  /** How many connections were ever opened. */
  opened = 0;
  private server: Server | null = null;
  private port = 0;
  private mute = false;
  private delayMs = 0;
  private readonly sockets = new Set<Socket>();

  constructor(private readonly databaseUrl: string) {}

  /** The URL of the same database at the link's address. Known once the link was opened. */
  get url(): string {
    const url = new URL(this.databaseUrl);
    url.port = String(this.port);
    return url.href;
  }

  async open(): Promise<this> {
    this.server = createServer((socket) => {
      this.pass(socket);
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  /** Breaks every connection and refuses new ones. */
  close(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
  }

  /** From now on connections are accepted, but never get an answer. */
  silence(): void {
    this.mute = true;
    for (const socket of this.sockets) socket.pause().unpipe();
  }

  /** New connections work again. Silenced ones stay silent, as after a failover. */
  speak(): void {
    this.mute = false;
  }

  /** From now on each answer is delayed by this much. */
  delay(milliseconds: number): void {
    this.delayMs = milliseconds;
  }

  private pass(socket: Socket): void {
    this.opened += 1;
    this.keep(socket);
    if (this.mute) return;
    const { hostname, port } = new URL(this.databaseUrl);
    const beyond = this.keep(connect(Number(port), hostname));
    socket.pipe(beyond);
    beyond.on('data', (chunk: Buffer) => {
      if (this.delayMs === 0) socket.write(chunk);
      else setTimeout(() => socket.write(chunk), this.delayMs);
    });
    socket.once('close', () => beyond.destroy());
    beyond.once('close', () => socket.destroy());
  }

  private keep(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    return socket.once('close', () => this.sockets.delete(socket));
  }
}
