import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { DropPreviousLicenseKeys } from './drop-previous-license-keys.js';
import { LicenseKeys } from './license-keys.js';
import { LicenseRepository } from './license.repository.js';
import { LicensesController } from './licenses.controller.js';
import { LicensesService } from './licenses.service.js';
import { RenewalRepository } from './renewal.repository.js';
import { ReplaceLicenseKey } from './replace-license-key.js';

@Module({
  imports: [AccessControlModule],
  controllers: [LicensesController],
  providers: [
    DropPreviousLicenseKeys,
    LicenseKeys,
    LicenseRepository,
    LicensesService,
    RenewalRepository,
    ReplaceLicenseKey,
  ],
  exports: [
    DropPreviousLicenseKeys,
    LicenseKeys,
    LicenseRepository,
    LicensesService,
    RenewalRepository,
  ],
})
export class LicensesModule {}
