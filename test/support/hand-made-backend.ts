import { createHmac, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** What somebody in a hurry would leave out, or get wrong. */
export type Hole =
  | 'decodes without verifying'
  | 'lets the token choose the algorithm'
  | 'takes a key from the header'
  | 'fetches what a token names'
  | 'does not look at aud'
  | 'does not look at iss'
  | 'mixes the keys of its issuers'
  | 'does not look at typ'
  | 'does not look at exp and nbf'
  | 'takes what is absent for right'
  | 'does not look at crit'
  | 'does not compare headers'
  | 'compares headers without case'
  | 'looks for the scope in a string'
  | 'decodes base64 as it comes'
  | 'crashes on bytes that are not a token'
  | 'answers 403 to what it does not know'
  | 'wants one audience'
  | 'knows only the newest key'
  | 'fetches keys for each request'
  | 'lets nobody in';

interface Header {
  readonly alg?: string;
  readonly kid?: unknown;
  readonly typ?: string;
  readonly crit?: unknown;
  readonly jwk?: JsonWebKey;
  readonly jku?: string;
}
type Claims = Readonly<Record<string, unknown>>;

const UNIT_PRIMITIVE = 'duo_chat';
const AUDIENCE = 'gitlab-ai-gateway';
const FORBIDDEN = 'Forbidden by auth provider';
const STRICT_JWS = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const LOOSE_JWS = /^[^.]*\.[^.]*\.[^.]*$/;

class Refusal extends Error {}

/** A backend that verifies with nothing but node:crypto; each hole may be opened. */
export class HandMadeBackend {
  readonly holes = new Set<Hole>();
  private readonly server: Server;
  private readonly keys = new Map<string, Promise<readonly JsonWebKey[]>>();
  private readonly issuers: readonly string[];

  constructor(
    private readonly now: () => Date,
    ...issuers: readonly string[]
  ) {
    this.issuers = issuers;
    this.server = createServer((request, response) => {
      void this.answer(request.headers).then(([status, error]) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(error === null ? {} : { error }));
      });
    });
  }

  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1/chat`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private has(hole: Hole): boolean {
    return this.holes.has(hole);
  }

  private async answer(headers: IncomingHttpHeaders): Promise<[number, string | null]> {
    try {
      if (this.has('lets nobody in')) throw new Refusal(FORBIDDEN);
      const claims = await this.claimsOf(headers);
      this.compare(claims, headers);
      const { scopes } = claims;
      if (Array.isArray(scopes) ? scopes.includes(UNIT_PRIMITIVE) : this.isIn(scopes)) {
        return [200, null];
      }
      return [403, `Unauthorized to access ${UNIT_PRIMITIVE}`];
    } catch (error) {
      const status = this.has('answers 403 to what it does not know') ? 403 : 401;
      if (error instanceof Refusal) return [status, error.message];
      return this.has('crashes on bytes that are not a token')
        ? [500, 'oops']
        : [status, FORBIDDEN];
    }
  }

  private isIn(scopes: unknown): boolean {
    if (!this.has('looks for the scope in a string')) throw new Refusal(FORBIDDEN);
    return String(scopes).includes(UNIT_PRIMITIVE);
  }

  private async claimsOf(headers: IncomingHttpHeaders): Promise<Claims> {
    if (headers['x-gitlab-authentication-type'] !== 'oidc') throw new Refusal(FORBIDDEN);
    const token = /^bearer +([^ ].*)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
    const form = this.has('decodes base64 as it comes') ? LOOSE_JWS : STRICT_JWS;
    const loosely = this.has('lets the token choose the algorithm') && token.endsWith('.');
    if (!form.test(token) && !loosely && !this.has('decodes without verifying')) {
      throw new SyntaxError('this is no token');
    }
    const [header64 = '', payload64 = '', signature64 = ''] = token.split('.');
    const header = JSON.parse(Buffer.from(header64, 'base64url').toString()) as Header;
    const claims = JSON.parse(Buffer.from(payload64, 'base64url').toString()) as Claims;
    if (!this.has('decodes without verifying')) {
      const signature = Buffer.from(signature64, 'base64url');
      const keys = await this.keysFor(header, claims['iss']);
      this.checkSignature(header, keys, `${header64}.${payload64}`, signature);
    }
    this.checkClaims(claims);
    return claims;
  }

  private checkSignature(
    header: Header,
    keys: readonly KeyObject[],
    input: string,
    signature: Buffer,
  ): void {
    if (header.crit !== undefined && !this.has('does not look at crit'))
      throw new Refusal(FORBIDDEN);
    const typ = header.typ ?? 'JWT';
    if (typ !== 'JWT' && !this.has('does not look at typ')) throw new Refusal(FORBIDDEN);
    const [alg, chosen] = [header.alg ?? '', this.has('lets the token choose the algorithm')];
    if (chosen && (alg === '' || alg.toLowerCase() === 'none')) return;
    if (alg !== 'RS256' && !chosen) throw new Refusal(FORBIDDEN);
    if (keys.some((key) => isSignedBy(key, alg, input, signature))) return;
    throw new Refusal(FORBIDDEN);
  }

  private async keysFor({ jwk, jku }: Header, iss: unknown): Promise<readonly KeyObject[]> {
    let keys = await this.published(iss);
    if (this.has('fetches what a token names') && jku !== undefined) await keysAt(jku);
    if (this.has('takes a key from the header')) {
      if (jwk) keys = [jwk];
      if (jku !== undefined) keys = await keysAt(jku);
    }
    if (this.has('knows only the newest key')) keys = keys.slice(-2);
    return keys.map((key) => createPublicKey({ key, format: 'jwk' }));
  }

  private async published(iss: unknown): Promise<readonly JsonWebKey[]> {
    const named = this.issuers.filter((issuer) => issuer === iss);
    const mixed = this.has('mixes the keys of its issuers') || named.length === 0;
    const from = mixed ? this.issuers : named;
    const sets = from.map(async (issuer) => {
      const kept = this.has('fetches keys for each request') ? undefined : this.keys.get(issuer);
      const known = kept ?? keysAt(`${issuer}/oauth/discovery/keys`);
      this.keys.set(issuer, known);
      return known;
    });
    return (await Promise.all(sets)).flat();
  }

  private checkClaims(claims: Claims): void {
    const now = this.now().getTime() / 1000;
    const { exp, nbf, iat, iss, aud } = claims;
    const required = ['sub', 'jti', 'gitlab_realm'].map((name) => claims[name]);
    const isLoose = (value: unknown) =>
      value === undefined && this.has('takes what is absent for right');
    const audiences = Array.isArray(aud) && !this.has('wants one audience') ? aud : [String(aud)];
    const right = [
      this.has('does not look at exp and nbf') ||
        isLoose(exp) ||
        (typeof exp === 'number' && exp > now),
      this.has('does not look at exp and nbf') ||
        nbf === undefined ||
        (typeof nbf === 'number' && nbf <= now),
      isLoose(iat) || Number.isInteger(iat),
      isLoose(iss) || this.has('does not look at iss') || this.issuers.some((it) => it === iss),
      isLoose(aud) || this.has('does not look at aud') || audiences.includes(AUDIENCE),
      required.every((value) => isLoose(value) || (typeof value === 'string' && value !== '')),
    ];
    if (right.includes(false)) throw new Refusal(FORBIDDEN);
  }

  private compare(claims: Claims, headers: IncomingHttpHeaders): void {
    if (this.has('does not compare headers')) return;
    const plain = (value: unknown) =>
      this.has('compares headers without case') ? String(value).toLowerCase() : value;
    for (const [name, claim] of [
      ['X-Gitlab-Realm', claims['gitlab_realm']],
      ['X-Gitlab-Instance-Id', claims['sub']],
    ] as const) {
      const header = headers[name.toLowerCase()];
      if (claim !== undefined && plain(header) !== plain(claim)) {
        throw new Refusal(`Header mismatch '${name}'`);
      }
    }
  }
}

async function keysAt(url: string): Promise<readonly JsonWebKey[]> {
  return ((await (await fetch(url)).json()) as { keys: readonly JsonWebKey[] }).keys;
}

/** As the token says: the mistake that RFC 8725 section 2.1 is about. */
function isSignedBy(key: KeyObject, alg: string, input: string, signature: Buffer): boolean {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('RS')) return verify(hash, Buffer.from(input), key, signature);
  if (!alg.startsWith('HS')) return false;
  const pem = key.export({ type: 'spki', format: 'pem' });
  return createHmac(hash, pem).update(input).digest().equals(signature);
}
