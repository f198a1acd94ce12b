import { randomUUID } from 'node:crypto';
import type { Finding } from '../../src/ledger-audit/finding.js';
import { JudgeToken } from '../../src/ledger-audit/judge-token.js';
import { LedgerAuditor } from '../../src/ledger-audit/ledger-auditor.js';
import { KeepSigningKeys } from '../../src/signing-keys/keep-signing-keys.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, timeline } from './key-set.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const INSTANCE_ID = randomUUID();
/** The hours by which the clock of the issuer is wrong for a while. */
const JUMPS = [20, -20, 48, -48, 2400, 2500, -2400, 1000, 9000, -1, 1];

describe('a start with a clock that is far off the newest instants in the database', () => {
  const NOW = new Date('2026-03-01T12:00:00Z');
  const TERM = { starts_on: '2020-01-01', expires_on: '2030-01-01' };

  /** What log, readiness and metric say. */
  async function told({ url, logs }: TestIssuer) {
    const ready = await fetch(`${url}/-/readiness`);
    const { checks, clock } = (await ready.json()) as {
      checks: { clock: string };
      clock: { keys_of_the_future: string[]; remedy: string } | null;
    };
    const metrics = await (await fetch(`${url}/-/metrics`)).text();
    return {
      status: ready.status,
      check: checks.clock,
      keys: clock?.keys_of_the_future.length ?? 0,
      remedy: clock?.remedy ?? '',
      metrics: [...metrics.matchAll(/^issuer_clock_far_off\{verdict="(\w+)"\} 1$/gm)].map(
        (m) => m[1],
      ),
      logged: logs.filter((line) => line.includes('the clock may be wrong')).length,
    };
  }

  async function synced(issuer: TestIssuer, licenseKey: string): Promise<string> {
    const gitlab = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    return (await gitlab.serviceToken()).token;
  }

  it('reports keys of the future, and the audit finds nothing wrong with their good tokens', async () => {
    const ahead = new FakeClock(new Date(NOW.getTime() + 400 * DAY));
    const wrong = await startTestIssuer({ clock: ahead });
    const { licenseKey, id } = await registerPaidLicense(wrong, TERM);
    const clock = new FakeClock(NOW);
    const right = await startTestIssuer({ clock, sharing: wrong });
    expect(await told(right)).toMatchObject({
      ...{ status: 200, check: 'behind', keys: 2, metrics: ['behind'], logged: 1 },
      remedy: expect.stringContaining('docs/operate/keys.md') as string,
    });
    const { app } = right.running;
    const tokens = [await synced(right, licenseKey)];
    await right.admin('PATCH', `licenses/${id}`, { seats: 5 });
    tokens.push(await synced(right, licenseKey));
    // The remedy of the manual, once all clocks are right.
    await wrong.running.close();
    await app.get(KeepSigningKeys).refresh();
    const next = (await timeline(right)).find(({ phase }) => phase === 'next');
    const revoked = await right.admin('POST', `signing_keys/${next?.kid ?? ''}/revoke`, {});
    expect(revoked.status).toBe(200);
    clock.advance(27 * HOUR);
    const rotated = await right.admin('POST', 'signing_keys/rotate');
    expect([rotated.status, await rotated.json()]).toMatchObject([200, {}]);
    tokens.push(await synced(right, licenseKey));
    clock.advance(60_000);
    const found: string[] = [];
    const report = ({ finding }: Finding) => found.push(finding);
    await app.get(LedgerAuditor).audit({}, report);
    for (const token of tokens) await app.get(JudgeToken).judge(token, report);
    expect(found.filter((code) => code !== 'NO_CHECKPOINT')).toEqual([]);
    await right.stop();
    await wrong.stop();
  });

  it.each([
    ['8 days ahead', 'ahead', 8 * DAY],
    ['6 days ahead', 'right', 6 * DAY],
    ['4 minutes behind', 'right', -4 * 60_000],
    ['6 minutes behind', 'behind', -6 * 60_000],
  ])('judges %s as %s', async (_what, verdict, offsetMs) => {
    const first = await startTestIssuer({ clock: new FakeClock(NOW) });
    const clock = new FakeClock(new Date(NOW.getTime() + offsetMs));
    const second = await startTestIssuer({ clock, sharing: first });
    const isOff = verdict !== 'right';
    expect(await told(second)).toMatchObject({
      ...{ status: 200, check: verdict, logged: isOff ? 1 : 0, metrics: isOff ? [verdict] : [] },
    });
    if (verdict === 'ahead') {
      // By then it has written newer instants itself.
      clock.advance(HOUR);
      await second.running.app.get(KeepSigningKeys).refresh();
      expect(await told(second)).toMatchObject({ check: 'right', metrics: [] });
    }
    await second.stop();
    await first.stop();
  });
});

describe('a clock that jumps back and forth', () => {
  const start = new Date('2026-03-01T00:00:00Z');
  const clock = new FakeClock(start);
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  it('unpublishes no key of a live token, stops the rotation, and resumes it with a settled clock', async () => {
    const term = { starts_on: '2020-01-01', expires_on: '2030-01-01' };
    const { licenseKey } = await registerPaidLicense(issuer, term);
    const gitlab = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const tokens: { readonly token: string; readonly expiresAt: number }[] = [];
    const steps: string[] = [];
    for (const hours of JUMPS) {
      clock.advance(6 * HOUR);
      clock.beAhead(hours * HOUR);
      steps.push(...(await keepKeys(issuer)));
      // Tokens from this time are recorded, and their key stays published.
      await gitlab.serviceToken();
      const refused = await issuer.admin('POST', 'signing_keys/rotate');
      expect(refused.status).toBe(409);

      clock.beAhead(0);
      steps.push(...(await keepKeys(issuer)));
      const now = clock.now().getTime();
      const { token, expiresAt } = await gitlab.serviceToken();
      tokens.push({ token, expiresAt: Date.parse(expiresAt) });
      const validator = new BackendValidator(issuer.url, 'gitlab-ai-gateway', () => clock.now());
      for (const live of tokens.filter((one) => one.expiresAt > now)) {
        const verdict = await validator.judge(backendHeaders(live.token, INSTANCE_ID));
        expect(verdict.accepted).toBe(true);
      }
      const phases = (await timeline(issuer)).map(({ phase }) => phase);
      expect(phases.filter((phase) => phase === 'current')).toHaveLength(1);
      expect(phases.filter((phase) => phase === 'next')).toHaveLength(1);
    }
    expect(steps).toEqual([]);
    clock.advance(90 * DAY);
    expect(await keepKeys(issuer)).toEqual(['switch']);
  });
});
