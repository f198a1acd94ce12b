import { randomUUID } from 'node:crypto';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, timeline } from './key-set.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const INSTANCE_ID = randomUUID();
/** Where the clock of the issuer stands for a moment, beside the true time. */
const JUMPS = [
  0, 20, -20, 0, 48, 0, -48, 0, 0, 2400, 0, 0, -2400, 0, 0, 1000, 0, 0, 2400, 0, -1, 0,
];

describe('a clock that jumps back and forth', () => {
  const start = new Date('2026-03-01T00:00:00Z');
  const clock = new FakeClock(start);
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  it('takes no key from a live token, signs with one key, and repeats no step', async () => {
    const term = { starts_on: '2020-01-01', expires_on: '2030-01-01' };
    const { licenseKey } = await registerPaidLicense(issuer, term);
    const gitlab = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const tokens: { readonly token: string; readonly expiresAt: number }[] = [];
    let now = start.getTime();
    const switches: string[] = [];
    for (const hours of JUMPS) {
      now += 6 * HOUR;
      clock.set(new Date(now + hours * HOUR));
      switches.push(...(await keepKeys(issuer)));
      // What is issued meanwhile is recorded, and its key is kept for it.
      await gitlab.serviceToken();

      clock.set(new Date(now));
      switches.push(...(await keepKeys(issuer)));
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
    // Ahead by a hundred days it switches once; the next such jump finds nothing due.
    expect(switches).toEqual(['switch']);
    expect(now - start.getTime()).toBeGreaterThan(5 * DAY);
  });
});
