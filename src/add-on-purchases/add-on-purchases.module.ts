import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { AddOnPurchasesController } from './add-on-purchases.controller.js';
import { AddOnPurchasesService } from './add-on-purchases.service.js';

@Module({
  imports: [AccessControlModule, LicensesModule],
  controllers: [AddOnPurchasesController],
  providers: [AddOnPurchaseRepository, AddOnPurchasesService],
  exports: [AddOnPurchaseRepository, AddOnPurchasesService],
})
export class AddOnPurchasesModule {}
