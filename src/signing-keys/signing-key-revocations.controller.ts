import { Body, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-tokens.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { optionalBodyValidation } from '../http/validation.js';
import { KeyTimeline } from './key-timeline.js';
import { signingKeyList, type SigningKeyView } from './signing-key-view.js';
import { SigningKeys } from './signing-keys.service.js';
import {
  RevokeSigningKeyBody,
  SigningKeyRevocationView,
  signingKeyRevocationView,
} from './signing-key-revocation.dto.js';
import { WithdrawSigningKey } from './withdraw-signing-key.js';

@AdminApi('signing keys')
export class SigningKeyRevocationsController {
  constructor(
    private readonly withdraw: WithdrawSigningKey,
    private readonly timeline: KeyTimeline,
    private readonly signingKeys: SigningKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post('signing_keys/:kid/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Take a key out of service at once',
    description:
      'Ask with `dry_run: true` first: it tells whom it hits. 409 STANDBY_TOO_YOUNG with ' +
      '`allowed_from` and `outage` while validators may not know the key that takes over.',
  })
  @ApiBody({ type: RevokeSigningKeyBody, required: false })
  @ApiOkResponse({ type: SigningKeyRevocationView })
  async revoke(
    @Param('kid') kid: string,
    @Body(optionalBodyValidation) body: RevokeSigningKeyBody,
    @AskedBy() principal: Principal,
  ): Promise<SigningKeyRevocationView> {
    const dryRun = body.dry_run ?? false;
    const acceptOutage = body.accept_outage ?? false;
    const by = principal.name;
    const withdrawn = dryRun
      ? await this.withdraw.dryRun(kid, acceptOutage)
      : await this.withdraw.revoke(
          { kid, by, reason: body.reason ?? null, acceptOutage },
          ({ plan }) => {
            const told = { kid, by, acceptOutage };
            if (plan.outcome === 'revoke') this.logger.warn(told, 'a signing key was revoked');
            return this.takeOver();
          },
        );
    return signingKeyRevocationView(dryRun, withdrawn, await this.keys());
  }

  /** What fails here is done by the next refresh: the key is revoked. */
  private async takeOver(): Promise<void> {
    try {
      await this.signingKeys.refresh();
    } catch (error) {
      this.logger.error({ error }, 'the keys could not be read after a revocation');
    }
  }

  /** Null when they cannot be read: that makes no failure of what was done. */
  private async keys(): Promise<SigningKeyView[] | null> {
    try {
      return signingKeyList(await this.timeline.read()).items;
    } catch (error) {
      this.logger.error({ error }, 'the timeline of the keys could not be read');
      return null;
    }
  }
}
