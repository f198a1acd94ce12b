import { createPrivateKey, generateKeyPair, type KeyObject, randomBytes, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, compactVerify, exportJWK, importJWK } from 'jose';
import type { PublicJwk } from '../domain/published-document.js';

export const MODULUS_BITS = 2048;
const ALGORITHM = 'RS256';

/** A key that may sign. Nothing can read its private half. */
export interface SigningKey {
  readonly kid: string;
  readonly publicJwk: PublicJwk;
  /** Signs `payload` off the main thread. @returns a compact JWS (RFC 7515 section 7.1) */
  sign(payload: Uint8Array): Promise<string>;
}

export interface GeneratedKey {
  readonly kid: string;
  readonly publicJwk: PublicJwk;
  /** PKCS #8 in DER, or a reference to a key on the HSM. The caller seals it and then wipes it. */
  readonly privateKey: Buffer;
}

/** A fresh RSA key, made off the main thread. Its `kid` is its RFC 7638 thumbprint. */
export async function generateSigningKey(): Promise<GeneratedKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: MODULUS_BITS,
  });
  const { n, e } = await exportJWK(publicKey);
  if (n === undefined || e === undefined) throw new Error('the generated key is not an RSA key');
  const publicJwk = await publicJwkOf(n, e);
  return {
    kid: publicJwk.kid,
    publicJwk,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  };
}

/** @param pkcs8 the private half in DER, which is wiped */
export function signingKeyOf(publicJwk: PublicJwk, pkcs8: Buffer): SigningKey {
  const privateKey = createPrivateKey({ key: pkcs8, type: 'pkcs8', format: 'der' });
  pkcs8.fill(0);
  return jwsSigner(publicJwk, (signingInput) => signRs256(signingInput, privateKey));
}

/** A key that makes compact JWSs. `sign` makes the signature, here or on an HSM. */
export function jwsSigner(
  publicJwk: PublicJwk,
  sign: (signingInput: Buffer) => Promise<Buffer>,
): SigningKey {
  const header = JSON.stringify({ typ: 'JWT', alg: ALGORITHM, kid: publicJwk.kid });
  const protectedHeader = Buffer.from(header).toString('base64url');
  return {
    kid: publicJwk.kid,
    publicJwk,
    sign: async (payload) => {
      const signingInput = `${protectedHeader}.${Buffer.from(payload).toString('base64url')}`;
      const signature = await sign(Buffer.from(signingInput));
      return `${signingInput}.${signature.toString('base64url')}`;
    },
  };
}

/**
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), in the thread pool. Node's own `sign` costs
 * the main thread less than WebCrypto, which jose uses.
 */
function signRs256(signingInput: Buffer, privateKey: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', signingInput, privateKey, (error, signature) => {
      if (error) reject(error);
      else resolve(signature);
    });
  });
}

/** @param n, e the modulus and the exponent as Base64urlUInt (RFC 7518 section 6.3.1) */
export async function publicJwkOf(n: string, e: string): Promise<PublicJwk> {
  const kid = await calculateJwkThumbprint({ kty: 'RSA', n, e }, 'sha256');
  return { kty: 'RSA', n, e, kid, use: 'sig', alg: ALGORITHM };
}

/** Makes a trial signature, which is not a token, and verifies it with the published key. */
export async function proveSignature(key: SigningKey, published: PublicJwk): Promise<void> {
  const jws = await key.sign(Buffer.from(`trial signature ${randomBytes(16).toString('hex')}`));
  await compactVerify(jws, await importJWK({ ...published }), { algorithms: ['RS256'] });
}
