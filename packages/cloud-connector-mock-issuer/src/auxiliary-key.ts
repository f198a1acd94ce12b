import { createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint } from 'jose';
import { compactJws } from './compact-jws.js';

/** The key of status lists: never one of those that sign tokens, and published elsewhere. */
export class AuxiliaryKey {
  private constructor(
    readonly publicJwk: Readonly<Record<string, string>>,
    private readonly privateKey: KeyObject,
  ) {}

  static async generate(): Promise<AuxiliaryKey> {
    const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
    const point = { kty: 'EC', crv: 'P-256', x, y };
    const kid = await calculateJwkThumbprint(point, 'sha256');
    return new AuxiliaryKey({ ...point, kid, use: 'sig', alg: 'ES256' }, privateKey);
  }

  /** @returns a compact JWS (RFC 7515 section 7.1), ES256 */
  sign(typ: string, claims: object): string {
    const header = { typ, alg: 'ES256', kid: this.publicJwk['kid'] };
    return compactJws(header, claims, (input) =>
      // JOSE wants r and s side by side, not DER (RFC 7518 section 3.4).
      sign('sha256', Buffer.from(input), { key: this.privateKey, dsaEncoding: 'ieee-p1363' }),
    );
  }
}
