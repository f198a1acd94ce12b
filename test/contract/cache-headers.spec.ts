import { SchedulerRegistry } from '@nestjs/schedule';
import { keepKeys, keyIn } from '../keys/key-set.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { maxAgeOf } from './max-age.js';

const PATHS = ['/.well-known/openid-configuration', '/oauth/discovery/keys'];
const HOUR_SECONDS = 3600;

describe.each(PATHS)('how long caches may keep %s', (path) => {
  let issuer: TestIssuer;
  let changeAt: number;
  const clock = new FakeClock(new Date('2026-06-15T12:00:00Z'));

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    // Nothing changes the keys but this test.
    const registry = issuer.running.app.get(SchedulerRegistry);
    for (const name of registry.getIntervals()) registry.deleteInterval(name);
    changeAt = Date.parse((await keyIn(issuer, 'current')).planned.retired_at ?? '');
  });
  afterAll(() => issuer.stop());

  /** Of many answers, what caches are told so many seconds before the keys change. */
  async function maxAges(secondsBefore: number): Promise<number[]> {
    clock.set(new Date(changeAt - secondsBefore * 1000));
    const answers = Array.from({ length: 30 }, () => fetch(issuer.url + path));
    return (await Promise.all(answers)).map(maxAgeOf);
  }

  it.each([
    [30 * 24 * HOUR_SECONDS, 2880, 3600],
    [HOUR_SECONDS, 2880, 3600],
    [HOUR_SECONDS - 100, 2800, 3500],
    [60, 48, 60],
    [1, 1, 1],
    [0.5, 0, 0],
  ])('ends before the keys change in %d seconds: %d to %d', async (before, shortest, longest) => {
    const seconds = await maxAges(before);
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(shortest);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(longest);
  });

  it('is told differently, so that what was fetched together is not fetched together again', async () => {
    expect(new Set(await maxAges(HOUR_SECONDS)).size).toBeGreaterThan(10);
  });

  it('is seconds while a change is late, and neither zero nor no-store for everybody (Vault #11438)', async () => {
    for (const late of [0, 60, 24 * HOUR_SECONDS]) {
      const seconds = await maxAges(-late);
      expect(Math.min(...seconds)).toBeGreaterThanOrEqual(8);
      expect(Math.max(...seconds)).toBeLessThanOrEqual(10);
    }
  });

  it('is an hour again once the keys have changed', async () => {
    clock.set(new Date(changeAt));
    expect(await keepKeys(issuer)).toEqual(['switch']);
    expect(Math.min(...(await maxAges(0)))).toBeGreaterThanOrEqual(2880);
  });
});
