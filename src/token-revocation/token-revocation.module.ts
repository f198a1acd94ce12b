import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { ReadServiceTokens } from './read-service-tokens.js';
import { RevokeSelfIssuedTokens } from './revoke-self-issued-tokens.js';
import { RevokeServiceToken } from './revoke-service-token.js';
import { RevokeServiceTokens } from './revoke-service-tokens.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';
import { ServiceTokenRevocationsController } from './service-token-revocations.controller.js';
import { ServiceTokensController } from './service-tokens.controller.js';
import { StatusLists } from './status-lists.js';

@Module({
  imports: [
    AccessControlModule,
    AuxiliaryKeysModule,
    InstancesModule,
    LicensesModule,
    LedgerModule,
  ],
  controllers: [ServiceTokensController, ServiceTokenRevocationsController],
  providers: [
    ReadServiceTokens,
    RevokeSelfIssuedTokens,
    RevokeServiceToken,
    RevokeServiceTokens,
    ServiceTokenRevocationRepository,
    StatusLists,
  ],
  exports: [ServiceTokenRevocationRepository, StatusLists],
})
export class TokenRevocationModule {}
