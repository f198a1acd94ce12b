import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { AddOnPurchasesModule } from '../add-on-purchases/add-on-purchases.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { Admission } from './admission.js';
import { IssuanceSnapshots } from './issuance-snapshots.js';
import { Entitlements } from './entitlements.js';
import { EntitlementsController } from './entitlements.controller.js';
import { ExplainEntitlements } from './explain-entitlements.js';
import { HeldLicenses } from './held-license.js';
import { IssuanceLedger } from './issuance-ledger.js';
import { IssuancePolicy } from './issuance-policy.js';
import { IssueServiceToken } from './issue-service-token.js';
import { ScopeSets } from './scope-sets.js';
import { SignAndRecord } from './sign-and-record.js';
import { StatusIndices } from './status-indices.js';

@Module({
  imports: [
    AccessControlModule,
    AddOnPurchasesModule,
    InstancesModule,
    LicensesModule,
    SigningKeysModule,
  ],
  controllers: [EntitlementsController],
  providers: [
    Admission,
    IssuanceSnapshots,
    Entitlements,
    ExplainEntitlements,
    HeldLicenses,
    IssuanceLedger,
    IssuancePolicy,
    IssueServiceToken,
    ScopeSets,
    SignAndRecord,
    StatusIndices,
  ],
  exports: [
    Admission,
    Entitlements,
    IssuancePolicy,
    IssuanceSnapshots,
    IssuanceLedger,
    IssueServiceToken,
    SignAndRecord,
  ],
})
export class TokenIssuanceModule {}
