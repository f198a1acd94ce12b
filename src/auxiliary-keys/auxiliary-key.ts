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

/** A key that may sign. The private half is closed over: nothing hands it out. */
export interface AuxiliaryKey {
  readonly kid: string;
  /** @returns a compact JWS (RFC 7515 section 7.1) whose header has this `typ` */
  sign(typ: string, claims: object): Promise<string>;
}

export interface GeneratedAuxiliaryKey {
  readonly publicJwk: AuxiliaryJwk;
  /** PKCS #8, DER: to be sealed and then wiped. */
  readonly privateKey: Buffer;
}

/** A fresh P-256 key; its `kid` is its RFC 7638 thumbprint. */
export async function generateAuxiliaryKey(): Promise<GeneratedAuxiliaryKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return {
    publicJwk: await publicJwkOf(publicKey),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  };
}

/** Takes over a private half (PKCS #8, DER) and wipes the bytes that it came in. */
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
  if (x === undefined || y === undefined) throw new Error('the generated key is no EC key');
  const point = { kty: 'EC', crv: 'P-256', x, y } as const;
  const kid = await calculateJwkThumbprint(point, 'sha256');
  return { ...point, kid, use: 'sig', alg: ALGORITHM };
}
