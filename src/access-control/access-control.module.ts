import { Module } from '@nestjs/common';
import { ApiTokenGuard } from './admin-api.js';
import { AdminWrites } from './admin-writes.js';
import { ApiTokenLookUp } from './api-token-look-up.js';
import { ApiTokens } from './api-tokens.js';
import { Callers } from './callers.js';

@Module({
  providers: [AdminWrites, ApiTokenGuard, ApiTokenLookUp, ApiTokens, Callers],
  exports: [AdminWrites, ApiTokenGuard, ApiTokens, Callers],
})
export class AccessControlModule {}
