import { Module } from '@nestjs/common';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { AuxiliaryKeysController } from './auxiliary-keys.controller.js';
import { OidcController } from './oidc.controller.js';

@Module({
  imports: [AuxiliaryKeysModule, SigningKeysModule],
  controllers: [AuxiliaryKeysController, OidcController],
})
export class OidcModule {}
