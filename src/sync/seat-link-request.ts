import type { SeatLink } from '../activation/record-seat-link.js';
import { parseUtcInstant } from '../domain/utc-instant.js';
import type { AddOnMetric } from '../instances/instance.entity.js';
import { IssuerError } from '../platform/issuer-error.js';
import { isText } from '../http/validators.js';
import { hostNameOf, uuidOf, versionTextOf } from './reported-instance.js';

type Members = Readonly<Record<string, unknown>>;

const METRIC_MEMBERS = ['add_on_type', 'purchased_seats', 'assigned_seats'] as const;
/** There are fewer add-ons than this. */
const MAX_METRICS = 100;

/**
 * Reads the body of a seat link. Ignores unknown members; absent ones become null.
 * @throws {IssuerError} VALIDATION_FAILED with the name of each wrong member
 */
export function seatLinkOf(body: unknown, now: Date): SeatLink {
  if (!isRecord(body)) throw refusal(['the body must be one JSON object']);
  const faults: string[] = [];
  const report = {
    reportedAt: reportedAtOf(body, faults, now),
    billableUsers: countOf(body, 'billable_users_count', faults),
    maxHistoricalUsers: countOf(body, 'max_historical_user_count', faults),
    addOnMetrics: metricsOf(body, faults),
  };
  const reported = {
    uniqueInstanceId: uuidOf(body['unique_instance_id']),
    hostName: hostNameOf(body['hostname']),
    gitlabVersion: versionTextOf(body['gitlab_version']),
  };
  const licenseKey = body['license_key'];
  if (typeof licenseKey !== 'string') faults.push('license_key must be a text');
  // GitLab can send a text that says "not set", which counts as absent. A refused instance would try again
  // for two days, and would not get its next license.
  const instanceId = uuidOf(body['instance_id']);
  if (isPresent(body['instance_id']) && typeof body['instance_id'] !== 'string') {
    faults.push('instance_id must be a text');
  }
  if (faults.length > 0 || typeof licenseKey !== 'string') throw refusal(faults);
  return { licenseKey, instanceId, reported, report };
}

/** At most `now`: a clock that is ahead must not keep out later reports. */
function reportedAtOf(body: Members, faults: string[], now: Date): Date {
  const given = body['timestamp'];
  if (!isPresent(given)) return now;
  const instant = typeof given === 'string' ? parseUtcInstant(given) : null;
  if (instant === null) faults.push('timestamp must be an instant like 2026-01-01T00:00:00Z');
  return instant === null || instant > now ? now : instant;
}

/** Impossible numbers are accepted here: a refused instance would try again for two days. */
function countOf(
  body: Members,
  name: 'billable_users_count' | 'max_historical_user_count',
  faults: string[],
): number | null {
  const given = body[name];
  if (!isPresent(given)) return null;
  if (typeof given === 'number') return given;
  faults.push(`${name} must be a number`);
  return null;
}

function metricsOf(body: Members, faults: string[]): readonly AddOnMetric[] | null {
  const given = body['add_on_metrics'];
  if (!isPresent(given)) return null;
  const metrics = Array.isArray(given) ? given.filter(isMetric).map(metricOf) : [null];
  if (metrics.length <= MAX_METRICS && metrics.every((metric) => metric !== null)) return metrics;
  faults.push(
    'add_on_metrics must be a list of objects with add_on_type (a text), purchased_seats and ' +
      'assigned_seats (numbers)',
  );
  return null;
}

function metricOf(given: unknown): AddOnMetric | null {
  if (!isRecord(given)) return null;
  const { add_on_type, purchased_seats, assigned_seats } = given;
  if (!isText(add_on_type) || !isNumber(purchased_seats) || !isNumber(assigned_seats)) return null;
  return { add_on_type, purchased_seats, assigned_seats };
}

/** After a downgrade the newest clients send null for an add-on that is gone. */
function isMetric(given: unknown): boolean {
  if (!isRecord(given)) return given !== null;
  return METRIC_MEMBERS.every((name) => given[name] !== null);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function refusal(faults: readonly string[]): IssuerError {
  return new IssuerError(
    'VALIDATION_FAILED',
    'The seat link cannot be used: each of `errors` names a wrong member.',
    {
      errors: faults.map((detail) => ({ pointer: '#', detail })),
    },
  );
}

function isRecord(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
