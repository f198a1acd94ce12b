import { Module } from '@nestjs/common';
import { EntitlementsModule } from '../entitlements/entitlements.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { SigningKeysModule } from '../signing-keys/signing-keys.module.js';
import { Admission } from './admission.js';
import { IssuancePolicy } from './issuance-policy.js';
import { IssueServiceToken } from './issue-service-token.js';
import { LicenseLookUp } from './license-look-up.js';
import { LintRefusals } from './lint-refusals.js';
import { SignAndRecord } from './sign-and-record.js';
import { StatusIndices } from './status-indices.js';

@Module({
  imports: [EntitlementsModule, InstancesModule, LedgerModule, LicensesModule, SigningKeysModule],
  providers: [
    Admission,
    IssuancePolicy,
    IssueServiceToken,
    LicenseLookUp,
    LintRefusals,
    SignAndRecord,
    StatusIndices,
  ],
  exports: [Admission, IssuancePolicy, IssueServiceToken, SignAndRecord],
})
export class TokenIssuanceModule {}
