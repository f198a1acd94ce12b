import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { EntitlementsModule } from '../entitlements/entitlements.module.js';
import { ExamineInstances } from './examine-instances.js';
import { ExcessRepository } from './excess.repository.js';
import { FollowChanges } from './follow-changes.js';
import { InstanceHealthRepository } from './instance-health.repository.js';
import { InstanceMetrics } from './instance-metrics.js';
import { InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { InstancesController } from './instances.controller.js';
import { InstancesService } from './instances.service.js';
import { SweepInstances } from './sweep-instances.js';
import { SweepPages } from './sweep-pages.js';

@Module({
  imports: [AccessControlModule, InstancesModule, EntitlementsModule],
  controllers: [InstancesController],
  providers: [
    ExamineInstances,
    ExcessRepository,
    FollowChanges,
    InstanceHealthRepository,
    InstanceMetrics,
    InstanceSweepsRepository,
    InstancesService,
    SweepInstances,
    SweepPages,
  ],
  exports: [FollowChanges, InstanceMetrics, SweepInstances],
})
export class InstanceHealthModule {}
