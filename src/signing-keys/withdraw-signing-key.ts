import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '../platform/logging.js';
import { type KeyTrust, TrustInKeys } from './key-trust.js';
import {
  type KeyRevocation,
  type KeyRevocationRequest,
  RevokeSigningKey,
} from './revoke-signing-key.js';
import { type BlastRadius, KeyBlastRadius } from './key-blast-radius.js';

export interface WithdrawnSigningKey {
  readonly revocation: KeyRevocation;
  /** As it was before: tokens that were live when the key was revoked. Null when it could not be counted. */
  readonly radius: BlastRadius | null;
  /** Who may go on publishing it, and until when it is trusted. Null when that could not be read. */
  readonly trust: KeyTrust | null;
}

/** The revocation of a signing key together with whom it hits, told before anything is done. */
@Injectable()
export class WithdrawSigningKey {
  constructor(
    private readonly revokeSigningKey: RevokeSigningKey,
    private readonly blastRadius: KeyBlastRadius,
    private readonly trustInKeys: TrustInKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws {IssuerError} NOT_FOUND */
  async dryRun(kid: string, acceptOutage: boolean): Promise<WithdrawnSigningKey> {
    const planned = await this.revokeSigningKey.plan(kid, acceptOutage);
    const revocation = { ...planned, stillPublished: false };
    const trust = await this.trustInKeys.in(kid);
    return { revocation, radius: await this.blastRadius.of(kid), trust };
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
    const { kid } = request;
    // Now that the key signs no more, no token can be missing from the count.
    const radius = await this.unlessItFails(kid, 'whom a revoked key hits was not counted', () =>
      this.blastRadius.of(kid),
    );
    const trust = await this.unlessItFails(kid, 'who publishes a revoked key was not read', () =>
      this.trustInKeys.afterRevocation(kid),
    );
    return { revocation, radius, trust };
  }

  /** The key is revoked: what cannot be read makes no failure of that. */
  private async unlessItFails<Result>(
    kid: string,
    failure: string,
    work: () => Promise<Result>,
  ): Promise<Result | null> {
    try {
      return await work();
    } catch (error) {
      this.logger.error({ error, kid }, failure);
      return null;
    }
  }
}
