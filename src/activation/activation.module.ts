import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { ActivateInstance } from './activate-instance.js';
import { ActivationCodeRepository } from './activation-code.repository.js';
import { ActivationCodesController } from './activation-codes.controller.js';
import { ActivationCodesService } from './activation-codes.service.js';
import { CancellationKeys } from './cancellation-keys.js';
import { CancellationKeysController } from './cancellation-keys.controller.js';
import { HandOutLicense } from './hand-out-license.js';
import { RecordSeatLink } from './record-seat-link.js';

@Module({
  imports: [AccessControlModule, LicensesModule, InstancesModule],
  controllers: [ActivationCodesController, CancellationKeysController],
  providers: [
    ActivateInstance,
    ActivationCodeRepository,
    ActivationCodesService,
    CancellationKeys,
    HandOutLicense,
    RecordSeatLink,
  ],
  exports: [ActivateInstance, RecordSeatLink],
})
export class ActivationModule {}
