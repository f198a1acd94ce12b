import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Fault, FaultyDocument } from './faults.js';
import { BadRequest, sendJson } from './http-edge.js';
import { type Fetched, IssuerState, type MintedToken } from './mock-issuer.js';
import { type MockIssuerOptions, settingsOf } from './mock-issuer-options.js';
import type { PrivateJwk } from './mock-key.js';
import { route } from './routes.js';
import type { TokenWishes } from './token-claims.js';

/** A mock issuer that listens. */
export interface MockIssuer {
  /** `iss` of its tokens, and where backends find its keys. */
  readonly issuer: string;
  readonly port: number;
  /** @returns a token of the corpus; null when there is none of this name */
  mint(name: string, wishes?: Partial<TokenWishes>): Promise<MintedToken | null>;
  /** From now on the document has this fault; `normal` ends it. */
  setFault(fault: Fault, options?: { document?: FaultyDocument; seconds?: number }): void;
  /** The next key signs from now on, and one more is announced. */
  rotate(): void;
  /** How often each document was fetched; `attacker`: what nobody should fetch. */
  fetches(): Readonly<Record<Fetched, number>>;
  /** For `MockIssuerOptions.privateKeys` of a later run. Secret only as far as tests go. */
  privateKeys(): Promise<PrivateJwk[]>;
  close(): Promise<void>;
}

/**
 * Starts a mock issuer.
 * @throws {Error} EADDRINUSE when something listens there already
 */
export async function startMockIssuer(options: MockIssuerOptions = {}): Promise<MockIssuer> {
  const settings = settingsOf(options);
  const server = createServer();
  server.listen(settings.port, settings.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = settings.issuer ?? `http://localhost:${port}`;
  const starting = IssuerState.start(settings, issuer);
  server.on('request', (request, response) => {
    starting.then((state) => answer(state, request, response)).catch(() => response.destroy());
  });
  return running(server, port, await starting);
}

function running(server: Server, port: number, state: IssuerState): MockIssuer {
  return {
    issuer: state.issuer,
    port,
    mint: async (name, wishes) => state.mint(name, wishes),
    setFault: (fault, { document = 'keys', seconds = 3 } = {}) => {
      state.mode = { fault, document, seconds };
    },
    rotate: () => {
      state.ring.rotate();
    },
    fetches: () => ({ ...state.fetches }),
    privateKeys: async () => state.privateKeys(),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      // Those that hang, too.
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(state: IssuerState, request: IncomingMessage, response: ServerResponse) {
  try {
    await route(state, request, response);
  } catch (error) {
    // Who went away while sending is not told anything any more.
    if (response.headersSent || response.destroyed) return;
    const status = error instanceof BadRequest ? error.status : 500;
    sendJson(response, { error: error instanceof Error ? error.message : 'unknown' }, status);
  }
}
