import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { IssuanceLedger } from './issuance-ledger.js';
import { IssuanceSnapshots } from './issuance-snapshots.js';
import { LedgerCheckpointRepository } from './ledger-checkpoint.repository.js';
import { LedgerCheckpointsController } from './ledger-checkpoints.controller.js';
import { LedgerCheckpoints } from './ledger-checkpoints.js';
import { LedgerMetrics } from './ledger-metrics.js';
import { LedgerRetention } from './ledger-retention.js';
import { RecordedTokens } from './recorded-tokens.js';
import { ScopeSets } from './scope-sets.js';
import { SignForAudit } from './sign-for-audit.js';

@Module({
  imports: [AccessControlModule, AuxiliaryKeysModule],
  controllers: [LedgerCheckpointsController],
  providers: [
    IssuanceLedger,
    IssuanceSnapshots,
    LedgerCheckpointRepository,
    LedgerCheckpoints,
    LedgerMetrics,
    LedgerRetention,
    RecordedTokens,
    ScopeSets,
    SignForAudit,
  ],
  exports: [IssuanceLedger, IssuanceSnapshots, LedgerCheckpoints, LedgerRetention, RecordedTokens],
})
export class LedgerModule {}
