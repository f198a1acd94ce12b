import { Module } from '@nestjs/common';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { TokenRevocationModule } from '../token-revocation/token-revocation.module.js';
import { AuxiliaryKeysController } from './auxiliary-keys.controller.js';
import { OidcController } from './oidc.controller.js';
import { StatusListsController } from './status-lists.controller.js';

@Module({
  imports: [AuxiliaryKeysModule, SigningKeysModule, TokenRevocationModule],
  controllers: [AuxiliaryKeysController, OidcController, StatusListsController],
})
export class OidcModule {}
