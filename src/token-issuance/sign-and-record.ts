import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Deadline } from '../platform/answer-deadline.js';
import { databaseAway } from '../platform/database-away.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SigningKeyGoneError, SigningTokenError } from '../signing-keys/signing-token-error.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { IssuanceLedger, KeyNotCurrentError } from './issuance-ledger.js';
import type { IssuedToken } from './record-issued-tokens.js';

/** For a token (HSM) that does not answer, and keys that are changing. */
const RETRY_AFTER_SECONDS = 2;

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
   * @returns a compact JWS
   * @throws {TokensRevokedError} when a revocation came between the look-up and the ledger
   * @throws {IssuerError} UNAVAILABLE
   */
  async issue(draft: TokenDraft): Promise<string> {
    try {
      return await this.underCurrentKey(draft);
    } catch (error) {
      throw isOfKey(error) ? keysAway(error) : error;
    }
  }

  private async underCurrentKey(draft: TokenDraft): Promise<string> {
    try {
      return await this.once(draft);
    } catch (error) {
      if (!(error instanceof KeyNotCurrentError || error instanceof SigningKeyGoneError))
        throw error;
      // This replica slept through a rotation; the token it signed never left.
      await this.signingKeys.refresh();
      return this.once(draft);
    }
  }

  /** Signature and flush run side by side; the token leaves only when both are done. */
  private async once({ payload, row, deadline }: TokenDraft): Promise<string> {
    if (deadline.isOver) throw databaseAway();
    const key = this.signingKeys.current();
    const claimsDigest = createHash('sha256').update(payload).digest();
    const recorded = this.ledger.record({ ...row, kid: key.kid, claimsDigest }, deadline);
    const [token] = await Promise.all([key.sign(payload), recorded]);
    return token;
  }
}

/** A token (HSM) that fails, or keys that changed again while they were being read again. */
function isOfKey(error: unknown): error is Error {
  return error instanceof SigningTokenError || error instanceof KeyNotCurrentError;
}

function keysAway(cause: Error): IssuerError {
  const detail = 'The keys that sign cannot be used at this moment: try again shortly.';
  return new IssuerError('UNAVAILABLE', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}
