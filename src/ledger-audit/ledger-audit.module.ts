import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { CheckpointKeys } from './checkpoint-keys.js';
import { JudgeToken } from './judge-token.js';
import { LedgerAuditor } from './ledger-auditor.js';
import { LedgerCheckpointRepository } from './ledger-checkpoint.repository.js';
import { LedgerCheckpointsController } from './ledger-checkpoints.controller.js';
import { LedgerCheckpoints } from './ledger-checkpoints.js';
import { LedgerRetention } from './ledger-retention.js';
import { SeenCheckpoint } from './seen-checkpoint.js';

@Module({
  imports: [AccessControlModule, AuxiliaryKeysModule],
  controllers: [LedgerCheckpointsController],
  providers: [
    CheckpointKeys,
    JudgeToken,
    LedgerAuditor,
    LedgerCheckpointRepository,
    LedgerCheckpoints,
    LedgerRetention,
    SeenCheckpoint,
  ],
  exports: [JudgeToken, LedgerAuditor, LedgerCheckpoints, LedgerRetention],
})
export class LedgerAuditModule {}
