import { randomBytes } from 'node:crypto';
import { compactVerify, importJWK } from 'jose';
import type { PublicJwk } from '../domain/published-document.js';
import type { SigningKey } from './signing-key.js';

/** Signs something that is no token, and verifies it as a validator would, with `published`. */
export async function proveSignature(key: SigningKey, published: PublicJwk): Promise<void> {
  const jws = await key.sign(Buffer.from(`trial signature ${randomBytes(16).toString('hex')}`));
  await compactVerify(jws, await importJWK({ ...published }), { algorithms: ['RS256'] });
}
