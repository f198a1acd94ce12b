import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Deadline } from '../database/deadline.js';
import { databaseAway } from '../database/away.js';
import { keysAway } from '../signing-keys/keys-away.js';
import { SigningKeyGoneError, HsmError } from '../signing-keys/hsm-error.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { IssuanceLedger, KeyNotCurrentError } from '../ledger/issuance-ledger.js';
import type { IssuedToken } from '../ledger/record-issued-tokens.js';

export interface TokenDraft {
  /** Claims that the lint has let pass, as they are signed. */
  readonly payload: Buffer;
  readonly row: Omit<IssuedToken, 'kid' | 'claimsDigest'>;
  readonly deadline: Deadline;
}

/** The one place where claims become a token: no signature leaves without its row in the ledger. */
@Injectable()
export class SignAndRecord {
  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly ledger: IssuanceLedger,
  ) {}

  /**
   * @param redraft the same token again under another `jti`, for a second try: of the first one the
   *   row may be there although its signature failed
   * @returns a compact JWS
   * @throws {TokensRevokedError} when a revocation came between the look-up and the ledger
   * @throws {IssuerError} UNAVAILABLE
   */
  async issue(draft: TokenDraft, redraft: () => Promise<TokenDraft>): Promise<string> {
    try {
      return await this.underCurrentKey(draft, redraft);
    } catch (error) {
      throw isOfKey(error) ? keysAway(error) : error;
    }
  }

  private async underCurrentKey(
    draft: TokenDraft,
    redraft: () => Promise<TokenDraft>,
  ): Promise<string> {
    try {
      return await this.once(draft);
    } catch (error) {
      if (!(error instanceof KeyNotCurrentError || error instanceof SigningKeyGoneError))
        throw error;
      // This replica slept through a rotation; the token it signed never left.
      await this.signingKeys.refresh();
      return this.once(await redraft());
    }
  }

  /** Signature and flush run side by side; the token leaves only when both are done. */
  private async once({ payload, row, deadline }: TokenDraft): Promise<string> {
    if (deadline.isOver) throw databaseAway(undefined, 'slow');
    const key = this.signingKeys.current();
    const claimsDigest = createHash('sha256').update(payload).digest();
    const recorded = this.ledger.record({ ...row, kid: key.kid, claimsDigest }, deadline);
    const [token] = await Promise.all([key.sign(payload), recorded]);
    return token;
  }
}

/** A token (HSM) that fails, or keys that changed again while they were being read again. */
function isOfKey(error: unknown): error is Error {
  return error instanceof HsmError || error instanceof KeyNotCurrentError;
}
