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
/** The hours by which the clock of the issuer is wrong for a while. */
const JUMPS = [20, -20, 48, -48, 2400, 2500, -2400, 1000, 9000, -1, 1];

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
