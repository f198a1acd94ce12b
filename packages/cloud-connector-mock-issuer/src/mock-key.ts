import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  sign,
} from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint } from 'jose';

/** The public half of a token's key, with exactly the members that the field reads (RFC 7518 section 6.3.1). */
export interface PublicJwk {
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'RS256';
}

/** A private key as it is kept between two runs (RFC 7518 section 6.3.2). */
export type PrivateJwk = Readonly<Record<string, unknown>>;

export type RsaAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'PS256';

/** An RSA-2048 key of the mock issuer, or of somebody who would like to be one. */
export class MockKey {
  private constructor(
    readonly publicJwk: PublicJwk,
    private readonly privateKey: KeyObject,
  ) {}

  static async generate(): Promise<MockKey> {
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
    return MockKey.of(privateKey);
  }

  /** @throws {TypeError} when it is no private RSA key */
  static async fromJwk(jwk: PrivateJwk): Promise<MockKey> {
    return MockKey.of(createPrivateKey({ key: jwk, format: 'jwk' }));
  }

  private static async of(privateKey: KeyObject): Promise<MockKey> {
    const { n, e } = createPublicKey(privateKey).export({ format: 'jwk' });
    if (n === undefined || e === undefined) throw new TypeError('This is not an RSA key.');
    // RFC 7638: the thumbprint is over kty, n and e.
    const kid = await calculateJwkThumbprint({ kty: 'RSA', n, e }, 'sha256');
    return new MockKey({ kty: 'RSA', n, e, kid, use: 'sig', alg: 'RS256' }, privateKey);
  }

  get kid(): string {
    return this.publicJwk.kid;
  }

  sign(input: string, algorithm: RsaAlgorithm = 'RS256'): Uint8Array {
    const hash = `sha${algorithm.slice(2)}`;
    const padding = algorithm.startsWith('PS')
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : {};
    return sign(hash, Buffer.from(input), { key: this.privateKey, ...padding });
  }

  /** What an attacker who knows only the public key could take for an HMAC secret. */
  publicPem(type: 'spki' | 'pkcs1'): string {
    return createPublicKey(this.privateKey).export({ type, format: 'pem' }).toString();
  }

  privateJwk(): PrivateJwk {
    return { ...this.privateKey.export({ format: 'jwk' }), kid: this.kid };
  }
}
