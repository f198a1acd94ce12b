import type { License } from './license.js';
import { newestStarted, renewalInSight } from './renewal.js';

const NOW = new Date('2026-06-15T12:00:00.000Z');

function license(id: string, fields: Partial<License> = {}): License {
  return {
    ...{ id, plan: 'ultimate', kind: 'online_cloud', trial: false, seats: 1, revokedAt: null },
    ...{ startsOn: '2026-06-01', expiresOn: '2027-06-01' },
    ...fields,
  };
}

const OLD = license('old', { startsOn: '2025-06-01', expiresOn: '2026-06-01' });
const OVER = license('old', { startsOn: '2025-06-01', expiresOn: '2026-06-01' });
const RUNNING = license('running');
const NEWER = license('newer', { startsOn: '2026-06-15' });
const COMING = license('coming', { startsOn: '2026-06-16' });
const LATER = license('later', { startsOn: '2026-07-01' });
const REVOKED = license('revoked', { revokedAt: NOW });
const LEGACY = license('legacy', { kind: 'legacy' });
const PAST_GRACE = license('past', { startsOn: '2026-01-01', expiresOn: '2026-06-01' });

describe('newestStarted', () => {
  it.each<[string, License, License[], string]>([
    ['without a renewal: itself', OLD, [], 'old'],
    ['with one that has started', OLD, [RUNNING], 'running'],
    ['with several that have started: the last', OLD, [RUNNING, NEWER], 'newer'],
    ['with one that starts tomorrow: itself', OLD, [COMING], 'old'],
    ['with one that runs before one that is to come', OLD, [RUNNING, COMING], 'running'],
    ['with one that was revoked: itself', OLD, [REVOKED], 'old'],
    ['with one behind a revoked one', OLD, [REVOKED, RUNNING], 'running'],
    ['with a revoked one behind one that runs', OLD, [RUNNING, REVOKED], 'running'],
    ['with a legacy one: itself', OLD, [LEGACY], 'old'],
    ['with one whose grace is over: itself', OLD, [PAST_GRACE], 'old'],
    ['when it is over itself', OVER, [RUNNING], 'running'],
    ['when it is revoked itself: itself', { ...OLD, revokedAt: NOW }, [RUNNING], 'old'],
    ['when it is a revoked legacy one', { ...LEGACY, revokedAt: NOW }, [RUNNING], 'legacy'],
    ['when it is a legacy one', LEGACY, [RUNNING], 'running'],
    ['when it has not started itself', COMING, [RUNNING], 'running'],
  ])('of a line %s', (_what, one, renewals, id) => {
    expect(newestStarted(one, renewals, NOW).id).toBe(id);
  });
});

describe('renewalInSight', () => {
  it.each<[string, License[], string | null]>([
    ['none without a renewal', [], null],
    ['the last one that has started', [RUNNING, NEWER, COMING], 'newer'],
    ['else the first one to start', [COMING, LATER], 'coming'],
    ['none that was revoked, is legacy or over', [REVOKED, LEGACY, PAST_GRACE], null],
  ])('is %s', (_what, renewals, id) => {
    expect(renewalInSight(renewals, NOW)?.id ?? null).toBe(id);
  });
});
