import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { CarryOutKeyRevocation } from './carry-out-key-revocation.js';
import { ClockWatch } from './clock-watch.js';
import { EraseHsmKeys } from './erase-hsm-keys.js';
import { KeepSigningKeys } from './keep-signing-keys.js';
import { KeyRevocationImpact } from './key-revocation-impact.js';
import { KeyMetrics } from './key-metrics.js';
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
  controllers: [ReplicasController, SigningKeysController],
  providers: [
    CarryOutKeyRevocation,
    ClockWatch,
    EraseHsmKeys,
    KeepSigningKeys,
    KeyRevocationImpact,
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
    SigningKeyRepository,
    SigningKeys,
    TrustInKeys,
  ],
  exports: [
    ClockWatch,
    EraseHsmKeys,
    KeepSigningKeys,
    KeySetFetches,
    KeyTimeline,
    Replicas,
    RevokeSigningKey,
    RotateSigningKeys,
    SigningKeys,
  ],
})
export class SigningKeysModule {}
