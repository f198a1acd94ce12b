import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface CuttableLink {
  /** Where clients connect. */
  readonly url: string;
  /** Leads to this port of this machine from now on. */
  leadTo(port: number): void;
  /** Connections break, and new ones are refused, until it is mended. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** A way to a service that can be cut like a network, while the service itself runs on. */
export async function startCuttableLink(): Promise<CuttableLink> {
  const sockets = new Set<Socket>();
  let target: number | null = null;
  let isCut = false;
  const server = createServer((near) => {
    if (isCut || target === null) {
      near.destroy();
      return;
    }
    const far = connect(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo: (port) => {
      target = port;
    },
    cut: () => {
      isCut = true;
      breakAll();
    },
    mend: () => {
      isCut = false;
    },
    close: async () => {
      breakAll();
      await new Promise((closed) => server.close(closed));
    },
  };
}
