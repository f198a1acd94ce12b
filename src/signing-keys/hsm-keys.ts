import { createHash, randomBytes } from 'node:crypto';
import type { HsmKey } from '../domain/plan-hsm-erasure.js';
import { Clock } from '../platform/clock.js';
import { type Attribute, CKA, CKM, CKO, type Handle } from './hsm-binding.js';
import type { Hsm, HsmSession } from './hsm-session.js';
import {
  type GeneratedKey,
  jwsSigner,
  MODULUS_BITS,
  publicJwkOf,
  type SigningKey,
} from './signing-key.js';
import { SigningKeyGoneError } from './hsm-error.js';

const PUBLIC_EXPONENT = Buffer.from([1, 0, 1]);
const FIND_AT_MOST = 100;
/** DigestInfo of a SHA-256 digest, without the digest (RFC 8017 section 9.2, note 1). */
const SHA256_DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/**
 * Signing keys whose private halves are made on the HSM and never leave it. `CKA_ID` is the kid.
 * `CKA_LABEL` is `issuer-<mark>-<unix seconds>`: the issuer of the key, and when it was made.
 */
export class HsmKeys {
  /** Distinguishes issuers that share an HSM. */
  readonly mark: string;

  constructor(
    private readonly hsm: Hsm,
    issuerUrl: string,
    private readonly clock: Clock,
  ) {
    this.mark = createHash('sha256').update(issuerUrl).digest('hex').slice(0, 10);
  }

  /** A fresh pair on the HSM. Its row stores only a reference to the private half. */
  async generate(): Promise<GeneratedKey> {
    const madeAt = Math.floor(this.clock.now().getTime() / 1000);
    const label = `issuer-${this.mark}-${madeAt}`;
    return this.hsm.withSession(async (session) => {
      const { cryptoki, handle } = session;
      // The kid is a digest of the public half, which is not known yet.
      const id = Buffer.from(`new-${randomBytes(8).toString('hex')}`);
      const pair = await cryptoki.C_GenerateKeyPairAsync(
        handle,
        { mechanism: CKM.RSA_PKCS_KEY_PAIR_GEN },
        publicTemplate(id, label),
        privateTemplate(id, label),
      );
      const [n, e] = cryptoki.C_GetAttributeValue(handle, pair.publicKey, [
        { type: CKA.MODULUS },
        { type: CKA.PUBLIC_EXPONENT },
      ]);
      if (!n || !e) throw new Error('the HSM does not return the public half of its key');
      const publicJwk = await publicJwkOf(base64UrlUInt(n.value), base64UrlUInt(e.value));
      const named = [{ type: CKA.ID, value: Buffer.from(publicJwk.kid) }];
      cryptoki.C_SetAttributeValue(handle, pair.publicKey, named);
      cryptoki.C_SetAttributeValue(handle, pair.privateKey, named);
      const reference = JSON.stringify({ pkcs11: { id: publicJwk.kid } });
      return { kid: publicJwk.kid, publicJwk, privateKey: Buffer.from(reference) };
    });
  }

  /** `sign` throws SigningKeyGoneError when the key is not on the HSM. */
  open(publicJwk: SigningKey['publicJwk']): SigningKey {
    const { kid } = publicJwk;
    return jwsSigner(publicJwk, (signingInput) =>
      this.hsm.withSession((session) => sign(session, kid, signingInput)),
    );
  }

  /** The keys on the HSM that any issuer made. */
  async list(): Promise<HsmKey[]> {
    return this.hsm.withSession((session) => {
      const keys = find(session, []).map((object) => issuerKeyOf(session, object));
      return Promise.resolve(keys.filter((key) => key !== null));
    });
  }

  /** Destroys both halves. Twice does nothing. */
  async destroy(kid: string): Promise<void> {
    await this.hsm.withSession((session) => {
      const { cryptoki, handle, keys } = session;
      for (const type of [CKO.PRIVATE_KEY, CKO.PUBLIC_KEY]) {
        for (const object of find(session, [{ type: CKA.ID, value: Buffer.from(kid) }], type)) {
          if (issuerKeyOf(session, object)) cryptoki.C_DestroyObject(handle, object);
        }
      }
      keys.delete(kid);
      return Promise.resolve();
    });
  }
}

async function sign(session: HsmSession, kid: string, signingInput: Buffer): Promise<Buffer> {
  const { cryptoki, handle, keys, signsWith } = session;
  const key = keys.get(kid) ?? find(session, [{ type: CKA.ID, value: Buffer.from(kid) }])[0];
  if (!key) throw new SigningKeyGoneError(kid);
  keys.set(kid, key);
  cryptoki.C_SignInit(handle, { mechanism: signsWith }, key);
  const data = signsWith === CKM.SHA256_RSA_PKCS ? signingInput : digestInfo(signingInput);
  return cryptoki.C_SignAsync(handle, data, Buffer.alloc(MODULUS_BITS / 8));
}

function digestInfo(signingInput: Buffer): Buffer {
  const digest = createHash('sha256').update(signingInput).digest();
  return Buffer.concat([SHA256_DIGEST_INFO, digest]);
}

function find(
  { cryptoki, handle }: HsmSession,
  attributes: readonly Attribute[],
  type: number = CKO.PRIVATE_KEY,
): Handle[] {
  const found: Handle[] = [];
  cryptoki.C_FindObjectsInit(handle, [{ type: CKA.CLASS, value: type }, ...attributes]);
  for (;;) {
    const some = cryptoki.C_FindObjects(handle, FIND_AT_MOST);
    found.push(...some);
    if (some.length < FIND_AT_MOST) break;
  }
  cryptoki.C_FindObjectsFinal(handle);
  return found;
}

/** Null for an object that no issuer made. */
function issuerKeyOf({ cryptoki, handle }: HsmSession, object: Handle): HsmKey | null {
  const wanted = [{ type: CKA.ID }, { type: CKA.LABEL }];
  const [id, label] = cryptoki.C_GetAttributeValue(handle, object, wanted);
  const [, mark, madeAt] =
    /^issuer-([0-9a-f]{10})-(\d+)$/.exec(label?.value.toString() ?? '') ?? [];
  if (id === undefined || mark === undefined) return null;
  return { kid: id.value.toString(), mark, madeAt: new Date(Number(madeAt) * 1000) };
}

function publicTemplate(id: Buffer, label: string): Attribute[] {
  return [
    { type: CKA.TOKEN, value: true },
    { type: CKA.PRIVATE, value: false },
    { type: CKA.VERIFY, value: true },
    { type: CKA.MODULUS_BITS, value: MODULUS_BITS },
    { type: CKA.PUBLIC_EXPONENT, value: PUBLIC_EXPONENT },
    { type: CKA.ID, value: id },
    { type: CKA.LABEL, value: label },
  ];
}

/** A key that can only sign: it cannot decrypt, and it cannot be exported. */
function privateTemplate(id: Buffer, label: string): Attribute[] {
  return [
    { type: CKA.TOKEN, value: true },
    { type: CKA.PRIVATE, value: true },
    { type: CKA.SENSITIVE, value: true },
    { type: CKA.EXTRACTABLE, value: false },
    { type: CKA.SIGN, value: true },
    { type: CKA.SIGN_RECOVER, value: false },
    { type: CKA.DECRYPT, value: false },
    { type: CKA.UNWRAP, value: false },
    { type: CKA.ID, value: id },
    { type: CKA.LABEL, value: label },
  ];
}

/** Base64urlUInt of RFC 7518 section 2. Some HSMs return leading zero bytes, which it must not have. */
function base64UrlUInt(bytes: Buffer): string {
  const first = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(Math.max(first, 0)).toString('base64url');
}
