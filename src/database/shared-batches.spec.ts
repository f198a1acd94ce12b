import { setImmediate as tick } from 'node:timers/promises';
import { Deadline } from './deadline.js';
import { SharedBatches } from './shared-batches.js';

const LATER = new Deadline(60_000);
const OVER = new Deadline(-1);

/** Batches that end when the test says so. */
function openEndedBatches(concurrent: number, items: number) {
  const batches: { items: readonly number[]; end: (error?: Error) => void }[] = [];
  const shared = new SharedBatches<number, string>(
    (given) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) => {
          if (error) reject(error);
          else resolve(given.map(String));
        };
        batches.push({ items: given, end });
      }),
    { concurrent, items },
  );
  return { shared, batches };
}

describe('SharedBatches', () => {
  it('runs a lonely item in the next turn of the event loop', async () => {
    const { shared, batches } = openEndedBatches(1, 10);
    void shared.add(1, LATER);
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([[1]]);
  });

  it('puts all items of one turn into one batch', async () => {
    const { shared, batches } = openEndedBatches(2, 10);
    const results = [shared.add(1, LATER), shared.add(2, LATER), shared.add(3, LATER)];
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([[1, 2, 3]]);
    batches[0]?.end();
    await expect(Promise.all(results)).resolves.toEqual(['1', '2', '3']);
  });

  it('puts what comes meanwhile into one batch and answers each item with its own result', async () => {
    const { shared, batches } = openEndedBatches(1, 10);
    const first = shared.add(1, LATER);
    await tick();
    const results = [first, shared.add(2, LATER), shared.add(3, LATER)];
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([[1]]);
    batches[0]?.end();
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    batches[1]?.end();
    await expect(Promise.all(results)).resolves.toEqual(['1', '2', '3']);
  });

  it('keeps a batch to its size and the batches to their number', async () => {
    const { shared, batches } = openEndedBatches(2, 2);
    const results = [1, 2, 3, 4, 5].map((item) => shared.add(item, LATER));
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    batches[0]?.end();
    await tick();
    expect(batches.map(({ items }) => items)).toEqual([[1, 2], [3, 4], [5]]);
    batches[1]?.end();
    batches[2]?.end();
    await expect(Promise.all(results)).resolves.toEqual(['1', '2', '3', '4', '5']);
  });

  it('fails the items of a failed batch only, and goes on', async () => {
    const { shared, batches } = openEndedBatches(1, 1);
    const first = expect(shared.add(1, LATER)).rejects.toThrow('lost');
    const second = shared.add(2, LATER);
    await tick();
    batches[0]?.end(new Error('lost'));
    await first;
    await tick();
    batches[1]?.end();
    await expect(second).resolves.toBe('2');
  });

  it('drops an item whose caller has been answered already, and goes on with the others', async () => {
    const { shared, batches } = openEndedBatches(1, 2);
    const late = expect(shared.add(1, OVER)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const rest = [shared.add(2, LATER), shared.add(3, LATER)];
    await late;
    expect(batches.map(({ items }) => items)).toEqual([[2, 3]]);
    batches[0]?.end();
    await expect(Promise.all(rest)).resolves.toEqual(['2', '3']);
  });

  it('refuses a batch that answers fewer items than it was given', async () => {
    const shared = new SharedBatches<number, string>(() => Promise.resolve([]), {
      concurrent: 1,
      items: 10,
    });
    await expect(shared.add(1, LATER)).rejects.toThrow('a result for each item');
  });
});
