import { parseGitlabVersion } from './gitlab-version.js';
import { isSyncOverdue, nextSyncDueAt, type SyncRecord } from './next-sync.js';

const HOURLY = parseGitlabVersion('18.0.0-ee');
const DAILY = parseGitlabVersion('17.11.9-ee');

function dueAt(lastSync: string, expires: string, version = HOURLY): string | undefined {
  const record: SyncRecord = {
    gitlabVersion: version,
    lastSyncAt: new Date(lastSync),
    tokenExpiresAt: new Date(expires),
  };
  return nextSyncDueAt(record, 'online_cloud')?.toISOString();
}

describe('the next sync', () => {
  it('comes within an hour after the token has less than two days left', () => {
    expect(dueAt('2026-03-01T12:00:00Z', '2026-03-04T12:00:00Z')).toBe('2026-03-02T13:00:00.000Z');
  });

  it.each([
    ['of just more than two days', '2026-03-03T12:00:01Z', '2026-03-01T13:00:01.000Z'],
    ['of exactly two days', '2026-03-03T12:00:00Z', '2026-03-01T13:00:00.000Z'],
    ['of one hour', '2026-03-01T13:00:00Z', '2026-03-01T13:00:00.000Z'],
  ])('with a lifetime %s comes within an hour', (_lifetime, expires, due) => {
    expect(dueAt('2026-03-01T12:00:00Z', expires)).toBe(due);
  });

  it.each([
    ['within the hours of the syncs', '2026-03-01T05:30:00Z', '2026-03-02T07:00:00.000Z'],
    ['after them', '2026-03-01T23:59:59Z', '2026-03-02T07:00:00.000Z'],
    ['just before them', '2026-03-01T05:00:00Z', '2026-03-01T07:00:00.000Z'],
    ['just after they began', '2026-03-01T05:00:00.001Z', '2026-03-02T07:00:00.000Z'],
    ['on the last day of a year', '2026-12-31T06:00:00Z', '2027-01-01T07:00:00.000Z'],
  ])('of an older GitLab that synced %s comes by 07:00 UTC', (_when, lastSync, due) => {
    for (const expires of ['2026-03-04T12:00:00Z', '2027-01-03T00:00:00Z']) {
      expect(dueAt(lastSync, expires, DAILY)).toBe(due);
    }
  });

  it('is unknown for an instance that never synced, and with an offline cloud license', () => {
    const lastSyncAt = new Date('2026-03-01T12:00:00Z');
    const tokenExpiresAt = new Date('2026-03-04T12:00:00Z');
    const record = { gitlabVersion: HOURLY, lastSyncAt, tokenExpiresAt };
    expect(nextSyncDueAt(record, 'offline_cloud')).toBeNull();
    expect(nextSyncDueAt({ ...record, lastSyncAt: null }, 'online_cloud')).toBeNull();
    expect(nextSyncDueAt({ ...record, tokenExpiresAt: null }, 'online_cloud')).toBeNull();
  });

  it('is overdue from an hour after it was due', () => {
    const due = new Date('2026-03-02T13:00:00Z');
    expect(isSyncOverdue(due, new Date('2026-03-02T13:59:59.999Z'))).toBe(false);
    expect(isSyncOverdue(due, new Date('2026-03-02T14:00:00.000Z'))).toBe(true);
    expect(isSyncOverdue(null, new Date('2099-01-01T00:00:00Z'))).toBe(false);
  });
});
