import { type Now, wallClock } from './clock.js';
import type { PrivateJwk } from './mock-key.js';
import type { TokenWishes } from './token-claims.js';

/** How a mock issuer is to be. Everything has a default. */
export interface MockIssuerOptions {
  /** Where to listen; 0: any free port. Default 5000. */
  readonly port?: number;
  /** Default 127.0.0.1: anybody who reaches the mock issuer gets any token. */
  readonly host?: string;
  /** `iss`, and where backends look for it. Default `http://localhost:<port>`. */
  readonly issuer?: string;
  /** Default `gitlab-ai-gateway`. */
  readonly audience?: string;
  /** The unit primitive that good tokens have among their scopes. Default `duo_chat`. */
  readonly unitPrimitive?: string;
  /** How long a key signs; 0: until `rotate()`. Default 60. */
  readonly rotateSeconds?: number;
  /** For how long a key signs before it is published: a mistake to try. Default 0. */
  readonly publishLateSeconds?: number;
  /** How long good tokens live from their issue. Default 120; real ones live three days. */
  readonly tokenTtlSeconds?: number;
  /** Private keys of an earlier run (`MockIssuer.privateKeys()`), for backends that still cache them. */
  readonly privateKeys?: readonly PrivateJwk[];
  /** Default: the wall clock. */
  readonly now?: Now;
}

export interface MockIssuerSettings {
  readonly port: number;
  readonly host: string;
  readonly issuer: string | null;
  readonly rotateSeconds: number;
  readonly publishLateSeconds: number;
  readonly tokenTtlSeconds: number;
  readonly privateKeys: readonly PrivateJwk[];
  readonly now: Now;
  readonly unitPrimitive: string;
  /** What tokens say unless asked for something else. */
  readonly wishes: TokenWishes;
}

export const DEFAULT_INSTANCE_ID = '5d6a9f0e-8c1b-4f6e-9d2a-3b7c8e1f0a42';
export const DEFAULT_AUDIENCE = 'gitlab-ai-gateway';
export const DEFAULT_UNIT_PRIMITIVE = 'duo_chat';
export const DEFAULT_PORT = 5000;

export function settingsOf(options: MockIssuerOptions): MockIssuerSettings {
  const unitPrimitive = options.unitPrimitive ?? DEFAULT_UNIT_PRIMITIVE;
  return {
    port: options.port ?? DEFAULT_PORT,
    host: options.host ?? '127.0.0.1',
    issuer: options.issuer ?? null,
    rotateSeconds: options.rotateSeconds ?? 60,
    publishLateSeconds: options.publishLateSeconds ?? 0,
    tokenTtlSeconds: options.tokenTtlSeconds ?? 120,
    privateKeys: options.privateKeys ?? [],
    now: options.now ?? wallClock,
    unitPrimitive,
    wishes: {
      sub: DEFAULT_INSTANCE_ID,
      realm: 'self-managed',
      audiences: [options.audience ?? DEFAULT_AUDIENCE],
      scopes: [unitPrimitive],
    },
  };
}
