import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { KeyBlastRadius } from './key-blast-radius.js';
import { ReadServiceTokens } from './read-service-tokens.js';
import { RecordedTokens } from './recorded-tokens.js';
import { RevokeSelfIssuedTokens } from './revoke-self-issued-tokens.js';
import { RevokeServiceToken } from './revoke-service-token.js';
import { RevokeServiceTokens } from './revoke-service-tokens.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';
import { ServiceTokenRevocationsController } from './service-token-revocations.controller.js';
import { ServiceTokensController } from './service-tokens.controller.js';
import { SigningKeyRevocationsController } from './signing-key-revocations.controller.js';
import { StatusLists } from './status-lists.js';
import { WithdrawSigningKey } from './withdraw-signing-key.js';

@Module({
  imports: [
    AccessControlModule,
    AuxiliaryKeysModule,
    InstancesModule,
    LicensesModule,
    SigningKeysModule,
  ],
  controllers: [
    ServiceTokensController,
    ServiceTokenRevocationsController,
    SigningKeyRevocationsController,
  ],
  providers: [
    KeyBlastRadius,
    ReadServiceTokens,
    RecordedTokens,
    RevokeSelfIssuedTokens,
    RevokeServiceToken,
    RevokeServiceTokens,
    ServiceTokenRevocationRepository,
    StatusLists,
    WithdrawSigningKey,
  ],
  exports: [StatusLists, WithdrawSigningKey],
})
export class TokenRevocationModule {}
