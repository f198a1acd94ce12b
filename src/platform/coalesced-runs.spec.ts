import { setImmediate as tick } from 'node:timers/promises';
import { CoalescedRuns } from './coalesced-runs.js';

/** Runs that end when the test says so. */
function openEndedRuns() {
  const ends: (() => void)[] = [];
  const runs = new CoalescedRuns(() => new Promise((resolve) => ends.push(resolve)));
  const demand = async (times: number) => {
    for (let count = 0; count < times; count += 1) runs.demand();
    await tick();
  };
  const end = async () => {
    ends.at(-1)?.();
    await tick();
  };
  return { runs, ends, demand, end };
}

describe('CoalescedRuns', () => {
  it('runs once for demands that come together', async () => {
    const { ends, demand, end } = openEndedRuns();
    await demand(3);
    await end();
    expect(ends).toHaveLength(1);
  });

  it('runs exactly once more for any number of demands during a run, and after it', async () => {
    const { ends, demand, end } = openEndedRuns();
    await demand(1);
    await demand(5);
    expect(ends).toHaveLength(1);
    await end();
    expect(ends).toHaveLength(2);
    await end();
    expect(ends).toHaveLength(2);
  });

  it('runs again for a demand that comes when all is done', async () => {
    const { ends, demand, end } = openEndedRuns();
    await demand(1);
    await end();
    await demand(1);
    expect(ends).toHaveLength(2);
  });

  it('lets the work itself demand another run', async () => {
    let left = 3;
    const runs = new CoalescedRuns(() => {
      left -= 1;
      if (left > 0) runs.demand();
      return Promise.resolve();
    });
    runs.demand();
    await runs.settled();
    expect(left).toBe(0);
  });

  it('is settled when the last run has ended, and at once when there is none', async () => {
    const { runs, demand, end } = openEndedRuns();
    await runs.settled();
    let settled = false;
    await demand(1);
    await demand(1);
    void runs.settled().then(() => (settled = true));
    await end();
    expect(settled).toBe(false);
    await end();
    expect(settled).toBe(true);
  });
});
