import { createLogger } from './logging.js';
import { guarded } from './guarded.js';

function logged(): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, logger: createLogger('info', { write: (line) => lines.push(line) }) };
}

describe('a guarded listener', () => {
  it('gets the arguments of its event', () => {
    const seen: unknown[] = [];
    const listener = guarded(logged().logger, 'numbers', (...args: number[]) => seen.push(args));
    listener(1, 2);
    expect(seen).toEqual([[1, 2]]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken', { cause: new Error('why') });
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken', { cause: new Error('why') }))],
  ])('that %s is logged with its cause and ends nothing', async (_how, listener) => {
    const { lines, logger } = logged();
    expect(() => {
      guarded(logger, 'the event', listener)();
    }).not.toThrow();
    await Promise.resolve();
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      {
        level: 'error',
        listener: 'the event',
        error: { message: 'broken', cause: { message: 'why' } },
      },
    ]);
  });
});
