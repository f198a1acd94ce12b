import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import {
  type KeyRevocation,
  type KeyRevocationRequest,
  RevokeSigningKey,
} from '../signing-keys/revoke-signing-key.js';
import { type BlastRadius, KeyBlastRadius } from './key-blast-radius.js';

export interface WithdrawnSigningKey {
  readonly revocation: KeyRevocation;
  /** As it was before: tokens that were live when the key was revoked. Null when it could not be counted. */
  readonly radius: BlastRadius | null;
}

/** The revocation of a signing key together with whom it hits, told before anything is done. */
@Injectable()
export class WithdrawSigningKey {
  constructor(
    private readonly database: Database,
    private readonly revokeSigningKey: RevokeSigningKey,
    private readonly blastRadius: KeyBlastRadius,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws {IssuerError} NOT_FOUND */
  async dryRun(kid: string, acceptOutage: boolean): Promise<WithdrawnSigningKey> {
    const planned = await this.revokeSigningKey.plan(kid, acceptOutage);
    const revocation = { ...planned, stillPublished: false };
    return { revocation, radius: await this.radiusOf(kid) };
  }

  /**
   * @param revoked called as soon as it is done, whatever becomes of the count
   * @throws {IssuerError} NOT_FOUND; STANDBY_TOO_YOUNG
   */
  async revoke(
    request: KeyRevocationRequest,
    revoked: (revocation: KeyRevocation) => Promise<void> = () => Promise.resolve(),
  ): Promise<WithdrawnSigningKey> {
    const revocation = await this.revokeSigningKey.revoke(request);
    await revoked(revocation);
    try {
      // Now that the key signs no more, no token can be missing from the count.
      return { revocation, radius: await this.radiusOf(request.kid) };
    } catch (error) {
      this.logger.error({ error, kid: request.kid }, 'whom a revoked key hits was not counted');
      return { revocation, radius: null };
    }
  }

  private radiusOf(kid: string): Promise<BlastRadius> {
    return this.blastRadius.of(this.database.manager, kid, this.clock.now());
  }
}
