import { Body, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AdminApi, AskedBy } from '../access-control/admin-api.js';
import type { Principal } from '../access-control/api-tokens.js';
import { EmptyBody } from '../http/empty-body.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { optionalBodyValidation } from '../http/validation.js';
import { KeyTimeline } from './key-timeline.js';
import { RotateSigningKeys } from './rotate-signing-keys.js';
import { SigningKeyList, signingKeyList } from './signing-key-view.js';
import { SigningKeys } from './signing-keys.service.js';

@AdminApi('signing keys')
export class SigningKeysController {
  constructor(
    private readonly timeline: KeyTimeline,
    private readonly rotateSigningKeys: RotateSigningKeys,
    private readonly signingKeys: SigningKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get('signing_keys')
  @ApiOperation({ summary: 'The timeline of the keys, past and planned' })
  @ApiOkResponse({ type: SigningKeyList })
  async list(): Promise<SigningKeyList> {
    return signingKeyList(await this.timeline.read());
  }

  @Post('signing_keys/rotate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Let the standby sign now instead of on schedule',
    description:
      '409 ROTATION_TOO_EARLY with `allowed_from` while validators may not know it; 409 ' +
      'REPLICAS_BEHIND with `replicas` while some replica does not publish it.',
  })
  @ApiBody({ type: EmptyBody, required: false })
  @ApiOkResponse({ type: SigningKeyList })
  async rotate(
    @Body(optionalBodyValidation) _body: EmptyBody,
    @AskedBy() principal: Principal,
  ): Promise<SigningKeyList> {
    await this.rotateSigningKeys.switchNow();
    this.logger.info({ by: principal.name }, 'the signing key was rotated by hand');
    await this.signingKeys.refresh();
    return signingKeyList(await this.timeline.read());
  }
}
