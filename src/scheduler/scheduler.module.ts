import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AddOnPurchasesModule } from '../add-on-purchases/add-on-purchases.module.js';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { InstanceHealthModule } from '../instance-health/instance-health.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LedgerAuditModule } from '../ledger-audit/ledger-audit.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { TokenRevocationModule } from '../token-revocation/token-revocation.module.js';
import { AuxiliaryKeyJobs } from './auxiliary-key-jobs.js';
import { InstanceJobs } from './instance-jobs.js';
import { JobRunner } from './job-runner.js';
import { Jobs } from './jobs.js';
import { KeyJobs } from './key-jobs.js';
import { KeySetJobs } from './key-set-jobs.js';
import { LedgerJobs } from './ledger-jobs.js';
import { LicenseJobs } from './license-jobs.js';
import { SealingJobs } from './sealing-jobs.js';
import { SeatJobs } from './seat-jobs.js';
import { Subscriptions } from './subscriptions.js';
import { HsmKeyJobs } from './hsm-key-jobs.js';

@Module({
  imports: [
    ScheduleModule.forRoot(),
    AddOnPurchasesModule,
    AuxiliaryKeysModule,
    InstanceHealthModule,
    InstancesModule,
    LedgerAuditModule,
    LicensesModule,
    SigningKeysModule,
    LedgerModule,
    TokenRevocationModule,
  ],
  providers: [
    AuxiliaryKeyJobs,
    InstanceJobs,
    JobRunner,
    Jobs,
    KeyJobs,
    KeySetJobs,
    LedgerJobs,
    LicenseJobs,
    SealingJobs,
    SeatJobs,
    Subscriptions,
    HsmKeyJobs,
  ],
})
export class SchedulerModule {}
