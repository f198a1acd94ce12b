import type { IncomingMessage } from 'node:http';
import { addressIn, Networks } from '../platform/ip-network.js';
import { forwarded, type Hop, xForwardedFor } from './forwarded-hops.js';

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The one address of the client, wherever an address counts: as RFC 5952 writes it. Null when it is not known: all
     * such clients count as one.
     */
    readonly clientAddress: string | null;
    /** Whether a trusted proxy sent it. */
    readonly isProxied: boolean;
  }
}

/** More trusted proxies than anybody has in a row. A longer list is not read to its end. */
const MAX_PROXIES = 32;

/** The client that one header names. */
interface Named {
  readonly address: Hop;
  /** Whether it is a trusted proxy itself, because the header names nobody else. */
  readonly isProxy: boolean;
}

/** Finds out from which address a request comes. Only trusted proxies are believed. */
export class ClientAddresses {
  constructor(private readonly proxies: Networks) {}

  /** Whether a trusted proxy sent the request. */
  isProxied({ socket }: IncomingMessage): boolean {
    return this.proxies.include(socket.remoteAddress ?? '');
  }

  /**
   * Walks from the peer over trusted proxies to the first address that is not one. The proxy may have
   * written only one of the two headers, and a client the other. Unless both name the same client, its address is
   * not known.
   */
  of({ socket, headers }: IncomingMessage): string | null {
    // It is missing when the connection was reset early.
    const peer = addressIn(socket.remoteAddress ?? '');
    if (peer === null || !this.proxies.include(peer)) return peer;
    const named = [
      this.walk(xForwardedFor(textOf(headers['x-forwarded-for']))),
      this.walk(forwarded(textOf(headers.forwarded))),
    ].filter((one) => one !== null);
    const clients = named.filter(({ isProxy }) => !isProxy);
    const [first, second = first] = clients.length > 0 ? clients : named;
    if (first === undefined) return peer;
    return first.address === second?.address ? first.address : null;
  }

  /** The first hop that is not a trusted proxy, else the last one. Null when the header names nobody. */
  private walk(hops: Iterable<Hop>): Named | null {
    let last: Named | null = null;
    let proxies = 0;
    for (const address of hops) {
      if (address === null || !this.proxies.include(address)) return { address, isProxy: false };
      proxies += 1;
      if (proxies > MAX_PROXIES) return { address: null, isProxy: false };
      last = { address, isProxy: true };
    }
    return last;
  }
}

/** Node joins repeated headers with commas. */
function textOf(header: string | string[] | undefined): string {
  return typeof header === 'string' ? header : (header ?? []).join(',');
}
