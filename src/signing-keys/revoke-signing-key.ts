import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '../platform/logging.js';
import {
  CarryOutKeyRevocation,
  type KeyRevocationRequest,
  type PlannedKeyRevocation,
} from './carry-out-key-revocation.js';
import { KeyRevocationImpact, type RevocationImpact } from './key-revocation-impact.js';
import { type KeyTrust, TrustInKeys } from './key-trust.js';

export interface SigningKeyRevocation extends PlannedKeyRevocation {
  /** The key does not sign any more, but it could not be unpublished yet. The schedule retries that. */
  readonly stillPublished: boolean;
  /** Counted after the key stopped signing. Null when the count failed. */
  readonly impact: RevocationImpact | null;
  /** Null when it could not be read. */
  readonly trust: KeyTrust | null;
}

const STILL_PUBLISHED =
  'a revoked key does not sign any more, but is still published: the service retries every ten seconds, ' +
  'and at once when the key is revoked again';

/** Revokes a signing key, and reports the impact. */
@Injectable()
export class RevokeSigningKey {
  constructor(
    private readonly revocation: CarryOutKeyRevocation,
    private readonly impact: KeyRevocationImpact,
    private readonly trustInKeys: TrustInKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws {IssuerError} NOT_FOUND */
  async dryRun(kid: string, acceptOutage: boolean): Promise<SigningKeyRevocation> {
    const planned = await this.revocation.plan(kid, acceptOutage);
    const trust = await this.trustInKeys.in(kid);
    return { ...planned, stillPublished: false, impact: await this.impact.of(kid), trust };
  }

  /**
   * The second call does nothing.
   * @param onRevoked runs as soon as the key is revoked, before the impact is counted
   * @throws {IssuerError} NOT_FOUND; NEXT_KEY_TOO_YOUNG
   */
  async revoke(
    request: KeyRevocationRequest,
    onRevoked: (revocation: PlannedKeyRevocation) => Promise<void> = () => Promise.resolve(),
  ): Promise<SigningKeyRevocation> {
    const { kid } = request;
    const done = await this.revocation.stopSigning(request);
    const unpublished =
      done.plan.outcome === 'no_next_key' ||
      (await this.unlessItFails(kid, STILL_PUBLISHED, async () => {
        await this.revocation.unpublish(kid);
        return true;
      }));
    await onRevoked(done);
    // The key does not sign any more, so the count cannot miss a token.
    const impact = await this.unlessItFails(kid, 'the impact of a revocation was not counted', () =>
      this.impact.of(kid),
    );
    const trust = await this.unlessItFails(kid, 'the trust in a revoked key was not read', () =>
      this.trustInKeys.afterRevocation(kid),
    );
    return { ...done, stillPublished: unpublished === null, impact, trust };
  }

  /** The key is revoked already, so a failure of a later step is only logged. */
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
