import { Module } from '@nestjs/common';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { CheckpointKeys } from './checkpoint-keys.js';
import { JudgeToken } from './judge-token.js';
import { LedgerAuditor } from './ledger-auditor.js';
import { LedgerFindings } from './ledger-findings.js';
import { SeenCheckpoint } from './seen-checkpoint.js';

@Module({
  imports: [AuxiliaryKeysModule],
  providers: [CheckpointKeys, JudgeToken, LedgerAuditor, LedgerFindings, SeenCheckpoint],
  exports: [JudgeToken, LedgerAuditor, LedgerFindings],
})
export class LedgerAuditModule {}
