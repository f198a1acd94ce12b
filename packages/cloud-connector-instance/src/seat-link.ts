import { check, COUNT, optional, type Rules, TEXT } from './check-input.js';
import { InstanceClientError } from './errors.js';
import type { Clean } from './foreign-text.js';
import { asObject, asObjects, asText, asTexts, type JsonObject } from './json.js';
import { normalisedKey, type Settings } from './options.js';
import type { Answer } from './post-json.js';

export interface SeatLinkInput {
  /** The most users that were billable at once since the license began. */
  readonly maxHistoricalUserCount: number;
  readonly billableUsersCount: number;
  readonly addOnMetrics?: readonly AddOnMetric[];
}

export interface AddOnMetric {
  /** Such as `duo_pro`. */
  readonly addOnType: string;
  readonly purchasedSeats: number;
  readonly assignedSeats: number;
}

/** What the issuer answered; days are `YYYY-MM-DD`, null where it sent none. */
export interface SeatLink {
  /** The license key to use from now on; it is in the store too. Null: the one in use stays. */
  readonly licenseKey: string | null;
  readonly nextReconciliationDate: string | null;
  readonly displayAlertFrom: string | null;
  /** As the issuer sends them, in snake_case. */
  readonly futureSubscriptions: readonly JsonObject[];
  readonly newSubscription: unknown;
}

const METRIC_RULES: Rules<AddOnMetric> = {
  addOnType: TEXT,
  purchasedSeats: COUNT,
  assignedSeats: COUNT,
};
const SEAT_LINK_RULES: Rules<SeatLinkInput> = {
  maxHistoricalUserCount: COUNT,
  billableUsersCount: COUNT,
  addOnMetrics: optional([Array.isArray, 'must be a list']),
};

/** @throws {InstanceClientError} OPTION_INVALID */
export function checkSeatLink(input: SeatLinkInput): void {
  check('a seat link', input, SEAT_LINK_RULES);
  for (const metric of input.addOnMetrics ?? []) check('a metric', metric, METRIC_RULES);
}

/** The body of contract section 3. */
export function seatLinkRequest(
  settings: Settings,
  licenseKey: string,
  input: SeatLinkInput,
): object {
  return {
    gitlab_version: settings.gitlabVersion,
    timestamp: settings.clock.now().toISOString(),
    license_key: licenseKey,
    max_historical_user_count: input.maxHistoricalUserCount,
    billable_users_count: input.billableUsersCount,
    hostname: settings.hostname,
    instance_id: settings.instanceId,
    ...(settings.uniqueInstanceId === null
      ? {}
      : { unique_instance_id: settings.uniqueInstanceId }),
    add_on_metrics: (input.addOnMetrics ?? []).map((metric) => ({
      add_on_type: metric.addOnType,
      purchased_seats: metric.purchasedSeats,
      assigned_seats: metric.assignedSeats,
    })),
  };
}

/** @throws {InstanceClientError} SEAT_LINK_REFUSED, ANSWER_UNUSABLE */
export function readSeatLink({ status, json }: Answer, clean: Clean): SeatLink {
  const body = asObject(json);
  if (status < 200 || status >= 300) throw refused(status, asTexts(body?.['errors']).map(clean));
  if (!body) {
    throw new InstanceClientError('ANSWER_UNUSABLE', 'the answer to the seat link is not JSON');
  }
  const licenseKey = normalisedKey(asText(body['license']) ?? '');
  return {
    licenseKey: licenseKey === '' ? null : licenseKey,
    nextReconciliationDate: asText(body['next_reconciliation_date']),
    displayAlertFrom: asText(body['display_alert_from']),
    futureSubscriptions: asObjects(body['future_subscriptions']),
    newSubscription: body['new_subscription'] ?? null,
  };
}

function refused(status: number, details: readonly string[]): InstanceClientError {
  const why = details.length > 0 ? details.join(' ') : `status ${status}`;
  const message = `the issuer refused the seat link: ${why}`;
  return new InstanceClientError('SEAT_LINK_REFUSED', message, details);
}
