import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { SigningKeyRepository } from './signing-key.repository.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { SigningKeys } from './signing-keys.service.js';

@Module({
  imports: [AccessControlModule],
  controllers: [SigningKeysController],
  providers: [SigningKeyRepository, SigningKeys],
  exports: [SigningKeys],
})
export class SigningKeysModule {}
