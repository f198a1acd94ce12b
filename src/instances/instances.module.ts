import { Module } from '@nestjs/common';
import { InstanceRepository } from './instance.repository.js';
import { InstanceSightings } from './instance-sightings.js';
import { SeatReports } from './seat-reports.js';
import { SightingRepository } from './sighting.repository.js';

@Module({
  providers: [InstanceRepository, InstanceSightings, SeatReports, SightingRepository],
  exports: [InstanceRepository, InstanceSightings, SeatReports, SightingRepository],
})
export class InstancesModule {}
