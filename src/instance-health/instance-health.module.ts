import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { TokenIssuanceModule } from '../token-issuance/token-issuance.module.js';
import { ExamineInstances } from './examine-instances.js';
import { InstanceHealthRepository } from './instance-health.repository.js';
import { InstancesController } from './instances.controller.js';
import { InstancesService } from './instances.service.js';

@Module({
  imports: [AccessControlModule, InstancesModule, TokenIssuanceModule],
  controllers: [InstancesController],
  providers: [ExamineInstances, InstanceHealthRepository, InstancesService],
})
export class InstanceHealthModule {}
