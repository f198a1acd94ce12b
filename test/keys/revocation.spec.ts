import { randomUUID } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { readAppConfig } from '../../config/app-config.js';
import { keysCommand } from '../../src/cli/keys.js';
import { expectProblem } from '../api/problem.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { type KeyJson, keyIn, publishedKids, timeline } from './key-set.js';

const START = '2026-03-01T00:00:00.000Z';
const SECOND = 1000;
const DAY = 86_400 * SECOND;
const LEAD = 95_040 * SECOND;

interface RevocationJson {
  readonly dry_run: boolean;
  readonly outcome: string;
  readonly switch_to: string | null;
  readonly allowed_from: string | null;
  readonly outage: { readonly next_published_at: string; readonly until: string } | null;
  readonly impact: {
    readonly live_tokens: number;
    readonly instances: number;
    readonly last_expires_at: string | null;
    readonly affected_instances: readonly {
      readonly instance_uuid: string;
      readonly live_tokens: number;
    }[];
    readonly trusted_until: string;
    readonly validator_action: string;
  };
  readonly items: readonly KeyJson[];
}

let clock: FakeClock;
let issuer: TestIssuer;
beforeEach(async () => {
  clock = new FakeClock(new Date(START));
  issuer = await startTestIssuer({ clock });
});
afterEach(() => issuer.stop());

const revoke = (kid: string, body?: object) =>
  issuer.admin('POST', `signing_keys/${kid}/revoke`, body);
const revoked = async (kid: string, body?: object) => {
  const response = await revoke(kid, body);
  expect(response.status).toBe(200);
  return (await response.json()) as RevocationJson;
};
const inPhase = async (kid: string) => (await timeline(issuer)).find((key) => key.kid === kid);

async function instanceWithTokens(tokens: number): Promise<GitlabInstance> {
  const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
  const gitlab = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
  for (let count = 0; count < tokens; count += 1) await gitlab.serviceToken();
  return gitlab;
}

describe('npm run keys', () => {
  /** @returns the exit status and the first line */
  async function keys(...args: string[]): Promise<string> {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    const config = readAppConfig({
      DATABASE_URL: issuer.database.url,
      ISSUER_URL: issuer.url,
      KEY_ENCRYPTION_KEY: issuer.keyEncryptionKey.toString('base64'),
      DATA_DIR: issuer.dataDir,
      LOG_LEVEL: 'silent',
    });
    const status = await keysCommand(args, { out: write, err: write }, { config, clock });
    return `${status} ${lines[0] ?? ''}`;
  }

  it('takes a kid as it is, whichever characters it begins with', async () => {
    const unknown = '1 There is no signing key with this kid.';
    const rest = 'b4kQ1xT0vN8_-hX2mYc7wPz5sRd9uEf3gLj6oIaHn0';
    for (const start of ['-', '-h', '--help', '--dry-run']) {
      expect([start, await keys('revoke', start + rest)]).toEqual([start, unknown]);
      const url = `signing_keys/${encodeURIComponent(start + rest).replaceAll('-', '%2D')}/revoke`;
      await expectProblem(await issuer.admin('POST', url), 404, 'NOT_FOUND');
    }
    const { kid } = await keyIn(issuer, 'current');
    expect(await keys('revoke', `\u2060 ${kid}\u200b\u200e\n`, '--dry-run')).toMatch(
      /^0 refused until/,
    );
    const reason = '-- stolen, see --dry-run';
    expect(await keys('revoke', kid, '--accept-outage', '--reason', reason)).toMatch(/^0 /);
    expect((await inPhase(kid))?.revocation_reason).toBe(reason);
  });

  it('refuses wrong usage and does nothing', async () => {
    for (const [args, message] of [
      [['revoke', 'x', '--dryrun'], "Unknown option '--dryrun'"],
      [['revoke', 'x', '--reason', '--dry-run'], "'--reason' argument is ambiguous"],
      [['revoke', 'x', '--reason', 'a', '--reason', 'b'], '--reason is given more than once.'],
      [['revoke', 'x', '--dry-run', '--dry-run'], '--dry-run is given more than once.'],
      [['revoke', 'x', 'y'], 'Name one command.'],
      [['revoke', '--dry-run'], 'Name one command.'],
      [['list', '--dry-run'], 'The command list has no options.'],
    ] as const) {
      const answer = await keys(...args);
      expect(answer.slice(0, 2)).toBe('2 ');
      expect(answer).toContain(message);
    }
  });
});

describe('the revocation of the key that signs', () => {
  it('shows the impact first, and changes nothing', async () => {
    await instanceWithTokens(2);
    await instanceWithTokens(1);
    clock.advance(LEAD);
    const key = await keyIn(issuer, 'current');
    const nextKey = await keyIn(issuer, 'next');
    const told = await revoked(key.kid, { dry_run: true });

    expect(told).toMatchObject({ dry_run: true, outcome: 'revoke', switch_to: nextKey.kid });
    expect(told.outage).toBeNull();
    expect(told.impact).toMatchObject({
      live_tokens: 3,
      instances: 2,
      last_expires_at: new Date(Date.parse(START) + 3 * DAY).toISOString(),
      trusted_until: new Date(clock.now().getTime() + DAY).toISOString(),
    });
    const tokens = told.impact.affected_instances.map(({ live_tokens }) => live_tokens);
    expect(tokens.sort()).toEqual([1, 2]);
    expect(told.impact.validator_action).toMatch(/restart/i);
    expect((await keyIn(issuer, 'current')).kid).toBe(key.kid);
    expect(await publishedKids(issuer)).toHaveLength(2);
  });

  it('counts only tokens that have not expired', async () => {
    await instanceWithTokens(1);
    clock.advance(3 * DAY - SECOND);
    const { kid } = await keyIn(issuer, 'current');
    expect((await revoked(kid, { dry_run: true })).impact.live_tokens).toBe(1);
    clock.advance(SECOND);
    expect((await revoked(kid, { dry_run: true })).impact).toMatchObject({
      live_tokens: 0,
      last_expires_at: null,
    });
  });

  it('switches to the next key, erases and unpublishes the old key, and publishes a new next key', async () => {
    const gitlab = await instanceWithTokens(1);
    clock.advance(LEAD);
    const [key, nextKey] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    const done = await revoked(key.kid, { reason: 'laptop stolen' });

    expect(done).toMatchObject({ dry_run: false, outcome: 'revoke', switch_to: nextKey.kid });
    expect(done.impact.live_tokens).toBe(1);
    expect(await inPhase(key.kid)).toMatchObject({
      phase: 'retired',
      revoked_by: 'bootstrap',
      revocation_reason: 'laptop stolen',
      revoked_at: clock.now().toISOString(),
      unpublished_at: clock.now().toISOString(),
    });
    const next = await keyIn(issuer, 'next');
    expect((await publishedKids(issuer)).sort()).toEqual([nextKey.kid, next.kid].sort());
    expect(decodeProtectedHeader((await gitlab.serviceToken()).token).kid).toBe(nextKey.kid);
    expect(await revoked(key.kid)).toMatchObject({ outcome: 'nothing' });
    expect(await timeline(issuer)).toHaveLength(3);
  });

  it('is refused while validators may not know the next key, and says what would fail until when', async () => {
    clock.advance(LEAD - SECOND);
    const key = await keyIn(issuer, 'current');
    const refused = await revoke(key.kid);
    const allowedFrom = new Date(Date.parse(START) + LEAD).toISOString();
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({
      code: 'NEXT_KEY_TOO_YOUNG',
      allowed_from: allowedFrom,
      outage: { next_published_at: START, until: allowedFrom },
    });
    expect(await revoked(key.kid, { dry_run: true })).toMatchObject({
      outcome: 'refused',
      allowed_from: allowedFrom,
    });
    expect((await keyIn(issuer, 'current')).kid).toBe(key.kid);
  });

  it('is possible when the outage is accepted', async () => {
    const [key, nextKey] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    const done = await revoked(key.kid, { accept_outage: true });
    expect(done).toMatchObject({ outcome: 'revoke', outage: { next_published_at: START } });
    expect(await keyIn(issuer, 'current')).toMatchObject({
      kid: nextKey.kid,
      outage_accepted: true,
    });
    expect(await publishedKids(issuer)).not.toContain(key.kid);
  });
});

describe('an instance whose only token is of a revoked key', () => {
  it('is shown without a valid token until it syncs', async () => {
    clock.advance(LEAD);
    const gitlab = await instanceWithTokens(1);
    const shown = async () => {
      const { items } = (await (await issuer.admin('GET', 'instances')).json()) as {
        items: { state: string; loses_service_at: string; token: object | null }[];
      };
      return items[0];
    };
    expect(await shown()).toMatchObject({ state: 'ok' });
    await revoked((await keyIn(issuer, 'current')).kid);
    expect(await shown()).toMatchObject({
      state: 'no_token',
      loses_service_at: clock.now().toISOString(),
      token: null,
    });
    await gitlab.serviceToken();
    expect(await shown()).toMatchObject({ state: 'ok' });
  });
});

describe('the revocation of a key that does not sign', () => {
  it('replaces the next key at once, because it has signed nothing', async () => {
    const nextKey = await keyIn(issuer, 'next');
    expect(await revoked(nextKey.kid)).toMatchObject({ outcome: 'revoke', switch_to: null });
    const next = await keyIn(issuer, 'next');
    expect(next.kid).not.toBe(nextKey.kid);
    expect(await publishedKids(issuer)).not.toContain(nextKey.kid);
  });

  it('unpublishes a retired key before its tokens have expired', async () => {
    await instanceWithTokens(1);
    clock.advance(LEAD);
    const { kid } = await keyIn(issuer, 'current');
    expect((await issuer.admin('POST', 'signing_keys/rotate')).status).toBe(200);
    expect(await publishedKids(issuer)).toContain(kid);
    const done = await revoked(kid);
    expect(done.impact.live_tokens).toBe(1);
    expect(await publishedKids(issuer)).not.toContain(kid);
  });

  it('is NOT_FOUND for an unknown key, and refuses a wrong member by name', async () => {
    expect((await revoke('nobody')).status).toBe(404);
    const { kid } = await keyIn(issuer, 'next');
    for (const body of [{ force: true }, { dry_run: 'yes' }, { reason: 1 }]) {
      expect((await revoke(kid, body)).status).toBe(422);
    }
  });
});
