import { Module } from '@nestjs/common';
import { ApiTokenGuard } from './admin-api.js';
import { AdminWrites } from './admin-writes.js';
import { ApiTokens } from './api-tokens.js';

@Module({
  providers: [AdminWrites, ApiTokenGuard, ApiTokens],
  exports: [AdminWrites, ApiTokenGuard, ApiTokens],
})
export class AccessControlModule {}
