import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { absurdNumbersOf } from '../domain/seat-report.js';
import {
  InstanceRepository,
  type SeatReport,
  type ReportedInstance,
} from './instance.repository.js';
import { SightingRepository } from './sighting.repository.js';

const NOTHING: ReportedInstance = { uniqueInstanceId: null, hostName: null, gitlabVersion: null };

/** What instances report of their users and seats. */
@Injectable()
export class SeatReports {
  constructor(
    private readonly instances: InstanceRepository,
    private readonly sightings: SightingRepository,
  ) {}

  /**
   * Keeps the newest report. One whose numbers cannot be true is kept apart: nothing of it is
   * stored with the instance, but the instance counts as seen.
   * @returns whether it was kept apart
   */
  async keep(
    manager: EntityManager,
    license: { readonly id: string; readonly seats: number | null },
    instanceId: string,
    reported: ReportedInstance,
    report: SeatReport,
    now: Date,
  ): Promise<boolean> {
    const numbers = absurdNumbersOf(report, license.seats);
    const isAbsurd = numbers.length > 0;
    const believed = isAbsurd ? NOTHING : reported;
    const { id } = await this.instances.meet(manager, license.id, instanceId, believed, now);
    if (isAbsurd) {
      const { reportedAt } = report;
      const apart = { receivedAt: now, reportedAt, hostName: reported.hostName, numbers };
      await this.sightings.keepAbsurdSeatLink(manager, id, instanceId, apart);
    } else {
      await this.instances.recordSeats(manager, id, report, now);
    }
    return isAbsurd;
  }
}
