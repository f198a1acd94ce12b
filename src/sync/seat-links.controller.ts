import { Controller, Header, HttpCode, Post, Req, UseInterceptors } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import {
  RecordSeatLink,
  type SeatLink,
  type SeatLinkAnswer,
} from '../activation/record-seat-link.js';
import { InstanceSightings } from '../instances/instance-sightings.js';
import type { LicenseEntity } from '../licenses/license.entity.js';
import { AnswerDeadline } from '../http/answer-deadline.js';
import { Clock } from '../platform/clock.js';
import { asIssuerError } from '../http/error-faces.js';
import { FailedLookUps } from '../http/failed-look-ups.js';
import { seatLinkOf } from './seat-link-request.js';
import { SyncMetrics } from './sync-metrics.js';

/** `POST /api/v1/seat_links`, in the shapes that GitLab instances understand. */
@ApiExcludeController()
@Controller()
export class SeatLinksController {
  constructor(
    private readonly recordSeatLink: RecordSeatLink,
    private readonly failedLookUps: FailedLookUps,
    private readonly sightings: InstanceSightings,
    private readonly metrics: SyncMetrics,
    private readonly clock: Clock,
  ) {}

  @Post('api/v1/seat_links')
  @UseInterceptors(AnswerDeadline)
  @HttpCode(200)
  @Header('content-type', 'application/json')
  async record(@Req() request: FastifyRequest): Promise<Buffer> {
    try {
      const now = this.clock.now();
      const seatLink = seatLinkOf(request.body, now);
      const { instanceId } = seatLink;
      request.subject = instanceId === null ? {} : { instanceUuid: instanceId };
      const answer = await this.recordSeatLink.record(seatLink, now);
      request.subject.licenseId = answer.licenseId;
      this.note(seatLink, answer, request.clientAddress, now);
      const outcome = answer.isKeptApart ? 'kept_apart' : 'recorded';
      this.metrics.seatLinks.inc({ outcome, code: '' });
      // With a string, Fastify would add a charset, which instances do not expect.
      return Buffer.from(JSON.stringify(answerOf(answer)));
    } catch (thrown) {
      const refused = asIssuerError(thrown);
      const error =
        refused && (this.failedLookUps.limited(refused, request.clientAddress) ?? refused);
      this.metrics.seatLinks.inc({ outcome: 'refused', code: error?.code ?? 'INTERNAL' });
      throw error ?? thrown;
    }
  }

  private note(
    { instanceId, reported }: SeatLink,
    { licenseId, byPreviousKey }: SeatLinkAnswer,
    address: string | null,
    at: Date,
  ): void {
    if (instanceId === null) return;
    const { hostName } = reported;
    this.sightings.note({ licenseId, instanceId, address, hostName, byPreviousKey, at });
  }
}

/** There is no reconciliation here, so its dates are null. */
function answerOf({ licenseKey, futureLicenses, isFirstOfCustomer }: SeatLinkAnswer): unknown {
  return {
    license: licenseKey,
    next_reconciliation_date: null,
    display_alert_from: null,
    future_subscriptions: futureLicenses.map(futureSubscriptionOf),
    new_subscription: isFirstOfCustomer,
  };
}

function futureSubscriptionOf(license: LicenseEntity): unknown {
  return {
    cloud_license_enabled: license.kind !== 'legacy',
    offline_cloud_license_enabled: license.kind === 'offline_cloud',
    plan: license.plan,
    company: license.licenseeCompany,
    email: license.licenseeEmail,
    name: license.licenseeName,
    starts_at: license.startsOn,
    expires_at: license.expiresOn,
    users_in_license_count: license.seats,
  };
}
