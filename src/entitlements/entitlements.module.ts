import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { AddOnPurchasesModule } from '../add-on-purchases/add-on-purchases.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { EntitlementsController } from './entitlements.controller.js';
import { Entitlements } from './entitlements.js';
import { ExplainEntitlements } from './explain-entitlements.js';
import { MissingNames } from './missing-names.js';

@Module({
  imports: [AccessControlModule, AddOnPurchasesModule, LicensesModule],
  controllers: [EntitlementsController],
  providers: [Entitlements, ExplainEntitlements, MissingNames],
  exports: [Entitlements, MissingNames],
})
export class EntitlementsModule {}
