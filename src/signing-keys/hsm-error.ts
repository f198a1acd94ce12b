/** The PKCS #11 token did not do what it was asked. Its text holds no secret. */
export class HsmError extends Error {
  override readonly name = 'HsmError';

  /** @param returned the token's own code (`CKR_...`); null when it was not asked, or has no such key */
  constructor(
    message: string,
    readonly returned: string | null = null,
  ) {
    super(returned === null ? message : `${message}: ${returned}`);
  }
}

/** The token has no such key (any more): it was erased once it was retired. */
export class SigningKeyGoneError extends HsmError {
  constructor(kid: string) {
    super(`signing key ${kid} is not on the PKCS #11 token`);
  }
}
