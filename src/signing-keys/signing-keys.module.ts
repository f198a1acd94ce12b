import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { KeySetFetchRepository } from './key-set-fetch.repository.js';
import { KeySetFetches } from './key-set-fetches.js';
import { SigningKeyRepository } from './signing-key.repository.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { SigningKeys } from './signing-keys.service.js';

@Module({
  imports: [AccessControlModule],
  controllers: [SigningKeysController],
  providers: [KeySetFetchRepository, KeySetFetches, SigningKeyRepository, SigningKeys],
  exports: [KeySetFetches, SigningKeys],
})
export class SigningKeysModule {}
