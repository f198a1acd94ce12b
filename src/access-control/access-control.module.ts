import { Module } from '@nestjs/common';
import { ApiTokenGuard } from './admin-api.js';
import { ApiTokens } from './api-tokens.js';

@Module({ providers: [ApiTokens, ApiTokenGuard], exports: [ApiTokens, ApiTokenGuard] })
export class AccessControlModule {}
