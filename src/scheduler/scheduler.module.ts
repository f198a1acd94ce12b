import { Module } from '@nestjs/common';
import { AddOnPurchasesModule } from '../add-on-purchases/add-on-purchases.module.js';
import { AuxiliaryKeysModule } from '../auxiliary-keys/auxiliary-keys.module.js';
import { EntitlementsModule } from '../entitlements/entitlements.module.js';
import { InstanceHealthModule } from '../instance-health/instance-health.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LedgerAuditModule } from '../ledger-audit/ledger-audit.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { TokenRevocationModule } from '../token-revocation/token-revocation.module.js';
import { JobRunner } from './job-runner.js';
import { Scheduler } from './scheduler.js';
import { Subscriptions } from './subscriptions.js';

@Module({
  imports: [
    AddOnPurchasesModule,
    AuxiliaryKeysModule,
    EntitlementsModule,
    InstanceHealthModule,
    InstancesModule,
    LedgerAuditModule,
    LedgerModule,
    LicensesModule,
    SigningKeysModule,
    TokenRevocationModule,
  ],
  providers: [JobRunner, Scheduler, Subscriptions],
})
export class SchedulerModule {}
