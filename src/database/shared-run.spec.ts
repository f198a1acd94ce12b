import { setImmediate as tick } from 'node:timers/promises';
import { SharedRun } from './shared-run.js';

describe('a shared run', () => {
  it('begins after all callers that share it have come, and never beside another run', async () => {
    const ends: (() => void)[] = [];
    const shared = new SharedRun(() => new Promise((resolve) => ends.push(resolve)));
    const first = shared.run();
    await tick();
    const [second, third] = [shared.run(), shared.run()];
    await tick();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await first;
    await tick();
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await Promise.all([second, third]);
    expect(ends).toHaveLength(2);
  });

  it('tells its callers of a failure, and runs again for the next', async () => {
    let runs = 0;
    const shared = new SharedRun(() => {
      runs += 1;
      return runs === 1 ? Promise.reject(new Error('no')) : Promise.resolve();
    });
    await expect(shared.run()).rejects.toThrow('no');
    await expect(shared.run()).resolves.toBeUndefined();
  });
});
