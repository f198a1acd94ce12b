/** The HSM refused or failed. The message holds no secret. */
export class HsmError extends Error {
  override readonly name = 'HsmError';

  /** @param returned the HSM's own code (`CKR_...`); null when the HSM did not return one */
  constructor(
    message: string,
    readonly returned: string | null = null,
  ) {
    super(returned === null ? message : `${message}: ${returned}`);
  }
}

/** The key is not on the HSM: it was erased after its retirement. */
export class SigningKeyGoneError extends HsmError {
  constructor(kid: string) {
    super(`signing key ${kid} is not on the HSM`);
  }
}
