import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { EntitlementsModule } from '../entitlements/entitlements.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { ProbesController } from './probes.controller.js';
import { Readiness } from './readiness.js';

@Module({
  imports: [AccessControlModule, EntitlementsModule, SigningKeysModule],
  controllers: [ProbesController],
  providers: [Readiness],
  exports: [Readiness],
})
export class ProbesModule {}
