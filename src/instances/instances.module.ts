import { Module } from '@nestjs/common';
import { InstanceRepository } from './instance.repository.js';

@Module({
  providers: [InstanceRepository],
  exports: [InstanceRepository],
})
export class InstancesModule {}
