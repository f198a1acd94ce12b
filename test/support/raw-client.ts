import { connect, type Socket } from 'node:net';

export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

/** A connection on which a test writes what it likes. */
export class RawClient {
  readonly socket: Socket;
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  isOpen = true;
  private received = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('error', () => undefined);
    this.socket.on('data', (text: string) => (this.received += text));
    this.opened = new Promise((opened) => this.socket.once('connect', opened));
    this.closed = new Promise((closed) => {
      this.socket.once('close', () => {
        this.isOpen = false;
        closed();
      });
    });
  }

  /** All that has come back so far. */
  readonly text = (): string => this.received;
}
