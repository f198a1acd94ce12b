import { Body, Delete, HttpCode, Param, Put } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiProperty } from '@nestjs/swagger';
import { AdminApi } from '../access-control/admin-api.js';
import { MAX_LICENSE_KEY_LENGTH, MIN_LICENSE_KEY_LENGTH } from '../licenses/license-key.js';
import { UuidParam } from '../http/uuid-param.js';
import { bodyValidation } from '../http/validation.js';
import { IsTextOfLines } from '../http/validators.js';
import { CancellationKeys } from './cancellation-keys.js';

export class RegisterCancellationKeyBody {
  @ApiProperty({ description: 'An expired license from the vendor that says it was cancelled' })
  @IsTextOfLines(MIN_LICENSE_KEY_LENGTH, MAX_LICENSE_KEY_LENGTH)
  license_key!: string;
}

@AdminApi('licenses')
export class CancellationKeysController {
  constructor(private readonly keys: CancellationKeys) {}

  @Put('licenses/:id/cancellation_key')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Register the key that seat links get once the license is revoked',
    description: 'Without one, the seat links of a revoked license are refused.',
  })
  @ApiNoContentResponse()
  async register(
    @Param('id', UuidParam) licenseId: string,
    @Body(bodyValidation) body: RegisterCancellationKeyBody,
  ): Promise<void> {
    await this.keys.register(licenseId, body.license_key);
  }

  @Delete('licenses/:id/cancellation_key')
  @HttpCode(204)
  @ApiNoContentResponse()
  async remove(@Param('id', UuidParam) licenseId: string): Promise<void> {
    await this.keys.remove(licenseId);
  }
}
