import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { ReadServiceTokens } from './read-service-tokens.js';
import { RecordedTokens } from './recorded-tokens.js';
import { RevokeServiceToken } from './revoke-service-token.js';
import { RevokeServiceTokens } from './revoke-service-tokens.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';
import { ServiceTokenRevocationsController } from './service-token-revocations.controller.js';
import { ServiceTokensController } from './service-tokens.controller.js';

@Module({
  imports: [AccessControlModule, InstancesModule, LicensesModule],
  controllers: [ServiceTokensController, ServiceTokenRevocationsController],
  providers: [
    ReadServiceTokens,
    RecordedTokens,
    RevokeServiceToken,
    RevokeServiceTokens,
    ServiceTokenRevocationRepository,
  ],
})
export class TokenRevocationModule {}
