import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Json = Readonly<Record<string, unknown>>;

/** A key pair made and used with nothing but `node:crypto`. */
export interface ForeignKey {
  readonly kid: string;
  readonly jwk: Json;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export function foreignKey(modulusLength = 2048): ForeignKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
  const { n, e } = publicKey.export({ format: 'jwk' });
  // RFC 7638 section 3.
  const thumbprint = JSON.stringify({ e, kty: 'RSA', n });
  const kid = createHash('sha256').update(thumbprint).digest('base64url');
  const jwk = { kty: 'RSA', n, e, kid, use: 'sig', alg: 'RS256' };
  return { kid, jwk, publicKey, privateKey };
}

const made: ForeignKey[] = [];

/** The same key for the same number, because making a key takes time. */
export function keyNumber(number: number): ForeignKey {
  return (made[number] ??= foreignKey());
}

export const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS of this header and payload. Strings are used unchanged. */
export function signed(key: ForeignKey, header: unknown, payload: unknown): string {
  const input = `${part(header)}.${part(payload)}`;
  const signature = sign('RSA-SHA256', Buffer.from(input), key.privateKey);
  return `${input}.${signature.toString('base64url')}`;
}

/** An answer of a server: JSON, or a function that writes the response. */
export type Answer = Json | ((response: ServerResponse) => void);

/** A foreign issuer, which publishes what a test sets. */
export class ForeignIssuer {
  /** The requests so far, by path. */
  readonly requests: string[] = [];
  readonly answers = new Map<string, Answer>();
  private readonly server = createServer((request, response) => {
    const path = request.url ?? '';
    this.requests.push(path);
    const answer = this.answers.get(path);
    if (typeof answer === 'function') answer(response);
    else if (answer) {
      if (this.age !== undefined) response.setHeader('age', this.age);
      response.setHeader('cache-control', this.cacheControl).end(JSON.stringify(answer));
    } else response.writeHead(404).end('{}');
  });
  cacheControl = 'public, max-age=600';
  /** As a cache on the way to the issuer would say it. */
  age: string | undefined;
  url = '';

  constructor(readonly key: ForeignKey = keyNumber(0)) {}

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    this.answers.set('/.well-known/openid-configuration', {
      issuer: this.url,
      jwks_uri: `${this.url}/jwks`,
    });
    this.publish(this.key.jwk);
    return this;
  }

  publish(...keys: unknown[]): void {
    this.answers.set('/jwks', { keys });
  }

  fetches(path = '/jwks'): number {
    return this.requests.filter((each) => each === path).length;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
  }

  /** Good claims at `now`. `about` changes them; undefined removes one. */
  claims(now: Date, about: Json = {}): Json {
    const iat = Math.floor(now.getTime() / 1000);
    return {
      iss: this.url,
      aud: [AUDIENCE],
      sub: INSTANCE,
      jti: randomUUID(),
      iat,
      nbf: iat - 5,
      exp: iat + 3600,
      gitlab_realm: 'self-managed',
      scopes: ['duo_chat'],
      ...about,
    };
  }

  header(about: Json = {}): Json {
    return { typ: 'JWT', alg: 'RS256', kid: this.key.kid, ...about };
  }

  token(now: Date, about: Json = {}, header: Json = {}): string {
    return signed(this.key, this.header(header), this.claims(now, about));
  }
}

export const AUDIENCE = 'gitlab-ai-gateway';
export const INSTANCE = '2f2e0c7c-93d2-4b0a-a2ac-7a0c5b9a51d4';

export function requestHeaders(token: string, about: Json = {}): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    'x-gitlab-authentication-type': 'oidc',
    'x-gitlab-realm': 'self-managed',
    'x-gitlab-instance-id': INSTANCE,
    ...(about as Record<string, string>),
  };
}
