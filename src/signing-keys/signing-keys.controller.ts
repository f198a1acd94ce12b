import { Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import type { SigningKeyEntity, SigningKeyPhase } from './signing-key.entity.js';
import { SigningKeys } from './signing-keys.service.js';

/** A signing key as the admin API shows it: never its private half. */
export class SigningKeyView {
  @ApiProperty() kid!: string;
  @ApiProperty({ enum: ['next', 'current', 'retired'] }) phase!: SigningKeyPhase;
  @ApiProperty({ type: Date }) published_at!: Date;
  @ApiProperty({ type: Date, nullable: true }) signs_from!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) retired_at!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) unpublished_at!: Date | null;
}

export class SigningKeyList {
  @ApiProperty({ type: [SigningKeyView] }) items!: SigningKeyView[];
}

@AdminApi('signing keys')
export class SigningKeysController {
  constructor(private readonly signingKeys: SigningKeys) {}

  @Get('signing_keys')
  @ApiOperation({ summary: 'The published keys as this replica knows them' })
  @ApiOkResponse({ type: SigningKeyList })
  list(): SigningKeyList {
    return { items: this.signingKeys.timeline().map(signingKeyView) };
  }
}

function signingKeyView(key: SigningKeyEntity): SigningKeyView {
  return {
    kid: key.kid,
    phase: key.phase,
    published_at: key.publishedAt,
    signs_from: key.signsFrom,
    retired_at: key.retiredAt,
    unpublished_at: key.unpublishedAt,
  };
}
