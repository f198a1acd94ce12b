import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { EraseHsmKeys } from './erase-hsm-keys.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { KeyBlastRadius } from './key-blast-radius.js';
import { KeyMetrics } from './key-metrics.js';
import { SignatureMetrics } from './signature-metrics.js';
import { SigningKeyRevocationsController } from './signing-key-revocations.controller.js';
import { WithdrawSigningKey } from './withdraw-signing-key.js';
import { KeyPlan } from './key-plan.js';
import { KeyStore } from './key-store.js';
import { KeySetFetchRepository } from './key-set-fetch.repository.js';
import { KeySetFetches } from './key-set-fetches.js';
import { KeyTimeline } from './key-timeline.js';
import { TrustInKeys } from './key-trust.js';
import { PrepareKeys } from './prepare-keys.js';
import { ReplicaRepository } from './replica.repository.js';
import { ReplicasController } from './replicas.controller.js';
import { Replicas } from './replicas.js';
import { RevokeSigningKey } from './revoke-signing-key.js';
import { RotateSigningKeys } from './rotate-signing-keys.js';
import { SigningKeyRepository } from './signing-key.repository.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { SigningKeys } from './signing-keys.service.js';

@Module({
  imports: [AccessControlModule, LedgerModule],
  controllers: [ReplicasController, SigningKeyRevocationsController, SigningKeysController],
  providers: [
    EraseHsmKeys,
    KeyBlastRadius,
    KeyMetrics,
    KeySetFetchRepository,
    KeySetFetches,
    KeyPlan,
    KeyStore,
    KeyTimeline,
    PrepareKeys,
    ReplicaRepository,
    Replicas,
    RevokeSigningKey,
    RotateSigningKeys,
    SignatureMetrics,
    SigningKeyRepository,
    SigningKeys,
    TrustInKeys,
    WithdrawSigningKey,
  ],
  exports: [
    EraseHsmKeys,
    KeySetFetches,
    KeyTimeline,
    Replicas,
    RevokeSigningKey,
    RotateSigningKeys,
    SigningKeys,
    TrustInKeys,
    WithdrawSigningKey,
  ],
})
export class SigningKeysModule {}
