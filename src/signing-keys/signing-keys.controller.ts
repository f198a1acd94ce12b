import { Body, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-token-look-up.js';
import { EmptyBody } from '../http/empty-body.js';
import { optionalBodyValidation } from '../http/validation.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import type { KeyRevocationRequest, PlannedKeyRevocation } from './carry-out-key-revocation.js';
import { KeyTimeline } from './key-timeline.js';
import { RevokeSigningKey } from './revoke-signing-key.js';
import { RotateSigningKeys } from './rotate-signing-keys.js';
import {
  RevokeSigningKeyBody,
  SigningKeyRevocationView,
  signingKeyRevocationView,
} from './signing-key-revocation.dto.js';
import { SigningKeyList, signingKeyList, type SigningKeyView } from './signing-key-view.js';
import { SigningKeys } from './signing-keys.service.js';

@AdminApi('signing keys')
export class SigningKeysController {
  constructor(
    private readonly timeline: KeyTimeline,
    private readonly rotateSigningKeys: RotateSigningKeys,
    private readonly revokeSigningKey: RevokeSigningKey,
    private readonly signingKeys: SigningKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get('signing_keys')
  @ApiOperation({ summary: 'List every signing key, with its past and planned steps' })
  @ApiOkResponse({ type: SigningKeyList })
  async list(): Promise<SigningKeyList> {
    return signingKeyList(await this.timeline.read());
  }

  @Post('signing_keys/rotate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Switch to the next key now instead of on schedule',
    description:
      '409 ROTATION_TOO_EARLY with `allowed_from` while validators may not know the next key. 409 ' +
      'KEYS_NOT_ACKNOWLEDGED with `not_acknowledged_by` while a replica does not publish it.',
  })
  @ApiBody({ type: EmptyBody, required: false })
  @ApiOkResponse({ type: SigningKeyList })
  async rotate(
    @Body(optionalBodyValidation) _body: EmptyBody,
    @AskedBy() principal: Principal,
  ): Promise<SigningKeyList> {
    await this.rotateSigningKeys.switchNow();
    this.logger.info({ by: principal.name }, 'the signing key was switched by hand');
    await this.signingKeys.refresh();
    return signingKeyList(await this.timeline.read());
  }

  @Post('signing_keys/:kid/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke a signing key at once',
    description:
      'Send `dry_run: true` first to see the impact. 409 NEXT_KEY_TOO_YOUNG with `allowed_from` and ' +
      '`outage` while validators may not know the next key.',
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
    const request = { kid, by: principal.name, reason: body.reason ?? null, acceptOutage };
    const revocation = dryRun
      ? await this.revokeSigningKey.dryRun(kid, acceptOutage)
      : await this.revokeSigningKey.revoke(request, (done) => this.takeOver(request, done));
    return signingKeyRevocationView(dryRun, revocation, await this.keys());
  }

  /** The key is revoked already, so a failure is only logged. The next refresh repeats it. */
  private async takeOver(
    { kid, by, acceptOutage }: KeyRevocationRequest,
    { plan }: PlannedKeyRevocation,
  ): Promise<void> {
    if (plan.outcome === 'revoke') {
      this.logger.warn({ kid, by, acceptOutage }, 'a signing key was revoked');
    }
    try {
      await this.signingKeys.refresh();
    } catch (error) {
      this.logger.error({ error }, 'the keys could not be read after a revocation');
    }
  }

  /** The key is revoked already, so a failure is only logged. */
  private async keys(): Promise<SigningKeyView[] | null> {
    try {
      return signingKeyList(await this.timeline.read()).items;
    } catch (error) {
      this.logger.error({ error }, 'the signing keys could not be listed after a revocation');
      return null;
    }
  }
}
