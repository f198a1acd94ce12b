import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { InstanceRepository } from './instance.repository.js';
import { InstancesController } from './instances.controller.js';

@Module({
  imports: [AccessControlModule],
  controllers: [InstancesController],
  providers: [InstanceRepository],
  exports: [InstanceRepository],
})
export class InstancesModule {}
