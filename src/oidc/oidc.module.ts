import { Module } from '@nestjs/common';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { OidcController } from './oidc.controller.js';

@Module({ imports: [SigningKeysModule], controllers: [OidcController] })
export class OidcModule {}
