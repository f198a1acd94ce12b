import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { TokenDraft } from '../domain/draft-token.js';
import type { TokenIdentity } from '../domain/service-token-claims.js';
import type { Deadline } from '../database/deadline.js';
import { databaseAway } from '../database/away.js';
import { newId } from '../platform/new-id.js';
import { SigningKeyGoneError, HsmError } from '../signing-keys/hsm-error.js';
import { keysUnavailable, SigningKeys } from '../signing-keys/signing-keys.service.js';
import { IssuanceLedger, KeyNotCurrentError } from '../ledger/issuance-ledger.js';
import type { IssuedToken } from '../ledger/record-issued-tokens.js';
import { LintRefusals } from './lint-refusals.js';
import { StatusIndices } from './status-indices.js';

/** What is to become a token. */
export interface TokenToIssue {
  /** Called again for a second try, with another identity. */
  readonly draft: (identity: TokenIdentity) => TokenDraft;
  /** What the ledger records beside the draft. */
  readonly record: Omit<IssuedToken, 'kid' | 'claimsDigest' | 'expiresAt' | keyof TokenIdentity>;
  readonly deadline: Deadline;
}

export interface SignedToken {
  /** A compact JWS. */
  readonly token: string;
  readonly expiresAt: Date;
}

/** The only place where claims become a token. No token leaves without its row in the ledger. */
@Injectable()
export class SignAndRecord {
  constructor(
    private readonly statusIndices: StatusIndices,
    private readonly lintRefusals: LintRefusals,
    private readonly signingKeys: SigningKeys,
    private readonly ledger: IssuanceLedger,
  ) {}

  /**
   * @throws {TokensRevokedError} when a revocation came between the look-up and the ledger
   * @throws {IssuerError} UNAVAILABLE; INTERNAL when the lint found faults
   */
  async issue(token: TokenToIssue): Promise<SignedToken> {
    try {
      return await this.underCurrentKey(token);
    } catch (error) {
      throw isOfKey(error) ? keysUnavailable(error) : error;
    }
  }

  private async underCurrentKey(token: TokenToIssue): Promise<SignedToken> {
    try {
      return await this.once(token);
    } catch (error) {
      if (!(error instanceof KeyNotCurrentError || error instanceof SigningKeyGoneError))
        throw error;
      // This replica missed a rotation. The first try may have left a row, so the second has its own jti.
      await this.signingKeys.refresh();
      return this.once(token);
    }
  }

  /** Signs and records at the same time. The token leaves when both are done. */
  private async once({ draft, record, deadline }: TokenToIssue): Promise<SignedToken> {
    const drafted = draft({
      jti: newId(record.issuedAt),
      statusIndex: await this.statusIndices.take(),
    });
    this.lintRefusals.refuseFaults(drafted);
    if (deadline.isOver) throw databaseAway(undefined, 'slow');
    const { jti, statusIndex, payload, expiresAt } = drafted;
    const key = this.signingKeys.current();
    const claimsDigest = createHash('sha256').update(payload).digest();
    const row = { ...record, jti, statusIndex, expiresAt, kid: key.kid, claimsDigest };
    const recorded = this.ledger.record(row, deadline);
    const [token] = await Promise.all([key.sign(payload), recorded]);
    return { token, expiresAt };
  }
}

/** The HSM failed, or the keys changed again while they were read again. */
function isOfKey(error: unknown): error is Error {
  return error instanceof HsmError || error instanceof KeyNotCurrentError;
}
