import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, CompactSign, exportJWK } from 'jose';

const ALGORITHM = 'ES256';

/** The public half (RFC 7518 section 6.2.1). */
export interface AuxiliaryJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'ES256';
}

/** A key that may sign. Nothing can read its private half. */
export interface AuxiliaryKey {
  readonly kid: string;
  /** @returns a compact JWS (RFC 7515 section 7.1) whose header has this `typ` */
  sign(typ: string, claims: object): Promise<string>;
}

export interface GeneratedAuxiliaryKey {
  readonly publicJwk: AuxiliaryJwk;
  /** PKCS #8 in DER. The caller seals it and then wipes it. */
  readonly privateKey: Buffer;
}

/** A fresh P-256 key. Its `kid` is its RFC 7638 thumbprint. */
export async function generateAuxiliaryKey(): Promise<GeneratedAuxiliaryKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return {
    publicJwk: await publicJwkOf(publicKey),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  };
}

/** @param pkcs8 the private half in DER, which is wiped */
export function auxiliaryKeyOf(kid: string, pkcs8: Buffer): AuxiliaryKey {
  const privateKey = createPrivateKey({ key: pkcs8, type: 'pkcs8', format: 'der' });
  pkcs8.fill(0);
  return {
    kid,
    sign: (typ, claims) =>
      new CompactSign(Buffer.from(JSON.stringify(claims)))
        .setProtectedHeader({ typ, alg: ALGORITHM, kid })
        .sign(privateKey),
  };
}

async function publicJwkOf(publicKey: KeyObject): Promise<AuxiliaryJwk> {
  const { x, y } = await exportJWK(publicKey);
  if (x === undefined || y === undefined) throw new Error('the generated key is not an EC key');
  const point = { kty: 'EC', crv: 'P-256', x, y } as const;
  const kid = await calculateJwkThumbprint(point, 'sha256');
  return { ...point, kid, use: 'sig', alg: ALGORITHM };
}
