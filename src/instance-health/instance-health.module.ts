import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { InstancesModule } from '../instances/instances.module.js';
import { EntitlementsModule } from '../entitlements/entitlements.module.js';
import { TokenRevocationModule } from '../token-revocation/token-revocation.module.js';
import { AssessInstances } from './assess-instances.js';
import { ExcessScopesRepository } from './excess-scopes.repository.js';
import { SweepChangedInstances } from './sweep-changed-instances.js';
import { InstanceHealthRepository } from './instance-health.repository.js';
import { InstanceMetrics } from './instance-metrics.js';
import { InstanceCounts } from './instance-counts.js';
import { InstanceSweepsRepository } from './instance-sweeps.repository.js';
import { InstancesController } from './instances.controller.js';
import { InstancesService } from './instances.service.js';
import { SweepInstances } from './sweep-instances.js';
import { SweepPages } from './sweep-pages.js';

@Module({
  imports: [AccessControlModule, EntitlementsModule, InstancesModule, TokenRevocationModule],
  controllers: [InstancesController],
  providers: [
    AssessInstances,
    ExcessScopesRepository,
    SweepChangedInstances,
    InstanceHealthRepository,
    InstanceMetrics,
    InstanceCounts,
    InstanceSweepsRepository,
    InstancesService,
    SweepInstances,
    SweepPages,
  ],
  exports: [SweepChangedInstances, InstanceMetrics, SweepInstances],
})
export class InstanceHealthModule {}
