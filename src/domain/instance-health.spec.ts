import { parseGitlabVersion } from './gitlab-version.js';
import { type Entitled, instanceHealth, type LiveToken } from './instance-health.js';
import type { License } from './license.js';

const license: License = {
  id: 'a license',
  plan: 'ultimate',
  kind: 'online_cloud',
  trial: false,
  seats: 10,
  startsOn: '2026-01-01',
  expiresOn: '2027-01-01',
  revokedAt: null,
};
const GRACE_ENDS = '2027-01-15T00:00:00.000Z';
const SYNCED = '2026-06-01T12:00:00.000Z';
const EXPIRES = '2026-06-04T12:00:00.000Z';
const DUE = '2026-06-02T13:00:00.000Z';
const OVERDUE = '2026-06-02T14:00:00.000Z';

function token(fields: Partial<Record<'jti' | 'expires' | 'revoked', string>> = {}, scopes = 'ab') {
  const { jti = 'newest', expires = EXPIRES, revoked } = fields;
  const live: LiveToken = {
    jti,
    scopes: scopes.split(''),
    expiresAt: new Date(expires),
    revokedAt: revoked === undefined ? null : new Date(revoked),
  };
  return live;
}

interface Given {
  readonly tokens?: readonly LiveToken[];
  readonly license?: Partial<License>;
  readonly scopes?: string;
  readonly tokensRevoked?: boolean;
  readonly version?: string;
}

/** Of an instance that synced at `SYNCED`. */
function healthAt(now: string, given: Given = {}) {
  const at = new Date(now);
  const entitled: Entitled = {
    license: { ...license, ...given.license },
    scopes: (given.scopes ?? 'ab').split(''),
    tokensRevoked: given.tokensRevoked ?? false,
  };
  const live = (given.tokens ?? [token()]).filter(({ expiresAt }) => expiresAt > at);
  const record = {
    gitlabVersion: parseGitlabVersion(given.version ?? '18.6.0-ee'),
    lastSyncAt: new Date(SYNCED),
    tokenExpiresAt: (given.tokens ?? [token()]).at(-1)?.expiresAt ?? null,
  };
  const health = instanceHealth(record, live, 'newest', entitled, at);
  return { ...health, losesServiceAt: health.losesServiceAt?.toISOString() };
}

describe('the state of an instance', () => {
  it.each([
    ['just after a sync', SYNCED, 'ok', GRACE_ENDS],
    ['when its sync is due', DUE, 'ok', GRACE_ENDS],
    ['at the last instant of patience', '2026-06-02T13:59:59.999Z', 'ok', GRACE_ENDS],
    ['when it is overdue', OVERDUE, 'sync_overdue', EXPIRES],
    ['at the last instant of its token', '2026-06-04T11:59:59.999Z', 'sync_overdue', EXPIRES],
    ['when its token expires', EXPIRES, 'no_token', EXPIRES],
    ['long after', '2026-12-01T00:00:00Z', 'no_token', EXPIRES],
  ])('that stays silent, %s', (_when, now, state, losesServiceAt) => {
    expect(healthAt(now)).toMatchObject({ state, losesServiceAt, denial: null });
  });

  it('that never got a token is no_token, and it has no service to lose', () => {
    const entitled = { license, scopes: ['a'], tokensRevoked: false };
    const record = { gitlabVersion: null, lastSyncAt: null, tokenExpiresAt: null };
    expect(instanceHealth(record, [], null, entitled, new Date(SYNCED))).toEqual({
      state: 'no_token',
      denial: null,
      nextSyncDueAt: null,
      losesServiceAt: null,
      liveTokens: 0,
      liveTokensWithExcessScopes: 0,
      excessScopes: [],
      excessScopesUntil: null,
      newest: null,
    });
  });

  it.each([
    ['LICENSE_REVOKED', { license: { revokedAt: new Date(SYNCED) } }, EXPIRES],
    ['LICENSE_NOT_CLOUD', { license: { kind: 'legacy' as const } }, EXPIRES],
    ['LICENSE_EXPIRED', { license: { expiresOn: '2026-05-01' } }, EXPIRES],
    ['LICENSE_NOT_STARTED', { license: { startsOn: '2026-06-03' } }, EXPIRES],
    ['NOTHING_TO_GRANT', { scopes: '' }, EXPIRES],
    ['TOKENS_REVOKED', { tokensRevoked: true }, DUE],
    ['TOKENS_REVOKED', { tokensRevoked: true, license: { revokedAt: new Date(SYNCED) } }, DUE],
  ])('is denied by %s, and loses service when it should', (denial, given, losesServiceAt) => {
    const health = healthAt('2026-06-01T18:00:00Z', given);
    expect(health).toMatchObject({ state: 'denied', denial, losesServiceAt });
    expect(health.excessScopes).toEqual(['a', 'b']);
  });

  it('keeps its service when the license starts before the next sync', () => {
    const health = healthAt('2026-06-01T18:00:00Z', { license: { startsOn: '2026-06-02' } });
    expect(health).toMatchObject({ denial: 'LICENSE_NOT_STARTED', losesServiceAt: GRACE_ENDS });
  });

  it('loses its service at the end of its token when revoked tokens are never fetched', () => {
    const health = healthAt(OVERDUE, { tokensRevoked: true });
    expect(health).toMatchObject({ state: 'denied', losesServiceAt: EXPIRES });
  });
});

describe('the end of service', () => {
  it('is the end of the grace of an expired license, however close it is', () => {
    const ends = '2026-06-03T00:00:00.000Z';
    const given = { license: { expiresOn: '2026-05-20' }, tokens: [token({ expires: ends })] };
    for (const now of [SYNCED, '2026-06-01T13:59:59.999Z']) {
      expect(healthAt(now, given)).toMatchObject({ state: 'ok', losesServiceAt: ends });
    }
    expect(healthAt('2026-06-02T23:59:59.999Z', given).losesServiceAt).toBe(ends);
    expect(healthAt(ends, given)).toMatchObject({ state: 'denied', losesServiceAt: ends });
  });

  it('is the end of the last token when the license was shortened after its issue', () => {
    const moved = healthAt(SYNCED, { license: { expiresOn: '2026-05-20' } });
    expect(moved).toMatchObject({ state: 'ok', losesServiceAt: EXPIRES });
  });

  it('is the end of the longest of several tokens', () => {
    const tokens = [token({ jti: 'older', expires: '2026-06-05T00:00:00Z' }), token()];
    const health = healthAt(OVERDUE, { tokens });
    expect(health).toMatchObject({ liveTokens: 2, losesServiceAt: '2026-06-05T00:00:00.000Z' });
  });

  it('does not come with the revocation of one token, which the next sync replaces', () => {
    const revoked = '2026-06-01T15:00:00.000Z';
    const health = healthAt('2026-06-01T16:00:00Z', { tokens: [token({ revoked })] });
    expect(health).toMatchObject({ state: 'ok', losesServiceAt: GRACE_ENDS });
    expect(health.newest?.revokedAt).toEqual(new Date(revoked));
  });

  it('comes before the daily sync of an older GitLab whose tokens are too short-lived', () => {
    const expires = '2026-06-02T06:59:59.999Z';
    const given = { version: '17.11.0', tokens: [token({ expires })] };
    expect(healthAt(SYNCED, given).losesServiceAt).toBe(expires);
    const justEnough = { version: '17.11.0', tokens: [token({ expires: '2026-06-02T07:00:00Z' })] };
    expect(healthAt(SYNCED, justEnough).losesServiceAt).toBe(GRACE_ENDS);
  });

  it('is the end of the token of an offline cloud license, which no instance renews by itself', () => {
    const health = healthAt(SYNCED, { license: { kind: 'offline_cloud' } });
    expect(health).toMatchObject({ state: 'ok', nextSyncDueAt: null, losesServiceAt: EXPIRES });
  });
});

describe('what tokens say', () => {
  it('is neither too much nor too little while nothing changes', () => {
    expect(healthAt(SYNCED)).toMatchObject({
      liveTokens: 1,
      liveTokensWithExcessScopes: 0,
      excessScopes: [],
      excessScopesUntil: null,
      newest: { jti: 'newest', excessScopes: [], missingScopes: [] },
    });
  });

  it('is shown for the newest token and for all together', () => {
    const tokens = [
      token({ jti: 'oldest', expires: '2026-06-03T00:00:00Z' }, 'abd'),
      token({ jti: 'older', expires: '2026-06-04T00:00:00Z' }, 'c'),
      token({}, 'bc'),
    ];
    expect(healthAt(SYNCED, { tokens, scopes: 'ac' })).toMatchObject({
      liveTokens: 3,
      liveTokensWithExcessScopes: 2,
      excessScopes: ['b', 'd'],
      excessScopesUntil: new Date(EXPIRES),
      newest: { excessScopes: ['b'], missingScopes: ['a'] },
    });
  });

  it('is too much until the last token that says it has expired, and counts revoked ones', () => {
    const expires = '2026-06-03T00:00:00.000Z';
    const tokens = [token({ jti: 'older', expires, revoked: SYNCED }, 'abc'), token()];
    const before = healthAt('2026-06-02T23:59:59.999Z', { tokens });
    expect(before).toMatchObject({ excessScopes: ['c'], excessScopesUntil: new Date(expires) });
    expect(healthAt(expires, { tokens })).toMatchObject({
      liveTokensWithExcessScopes: 0,
      excessScopesUntil: null,
    });
  });
});
