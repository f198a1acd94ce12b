import { CONNECT, StatementOutcomes } from './statement-outcomes.js';

const FULL = Object.assign(new Error('No space left on device'), { code: '53100' });
const READ_ONLY = Object.assign(new Error('read-only transaction'), { code: '25006' });
const TOO_MANY = Object.assign(new Error('too many connections'), { code: '53300' });
const LATE = new Error('Query read timeout');

describe('what became of the statements of this process', () => {
  let now: number;
  let outcomes: StatementOutcomes;
  beforeEach(() => {
    now = 0;
    outcomes = new StatementOutcomes(() => now);
  });
  const worst = () => outcomes.worst()?.trouble ?? null;

  it('is a full disk from the failure of a write until the same write succeeds', () => {
    outcomes.failed('INSERT 1', FULL, true);
    outcomes.succeeded('SELECT 1', 1, false);
    outcomes.succeeded('UPDATE 1', 1, false);
    expect(outcomes.worst()).toMatchObject({ trouble: 'full', reason: 'No space left on device' });

    outcomes.succeeded('INSERT 1', 1, true);
    expect(worst()).toBeNull();
  });

  it('is the worst of what stands', () => {
    outcomes.succeeded('SELECT 1', 501, true);
    expect(worst()).toBe('slow');
    outcomes.failed(CONNECT, TOO_MANY, false);
    expect(worst()).toBe('too_many_connections');
    outcomes.failed('INSERT 1', READ_ONLY, true);
    expect(worst()).toBe('read_only');
    outcomes.failed('INSERT 2', FULL, true);
    expect(worst()).toBe('full');
  });

  it('is no trouble when a statement is at fault itself, nor when nothing answers: a probe says that', () => {
    outcomes.failed('INSERT 1', Object.assign(new Error('duplicate'), { code: '23505' }), true);
    outcomes.failed('INSERT 1', Object.assign(new Error('gone'), { code: 'ECONNRESET' }), true);
    expect(worst()).toBeNull();
  });

  it('is slow only for what is meant to be short, and no longer than it stays so', () => {
    outcomes.succeeded('SELECT long', 5000, false);
    outcomes.failed('SELECT long', LATE, false);
    outcomes.succeeded('SELECT 1', 500, true);
    expect(worst()).toBeNull();

    outcomes.failed('SELECT 1', LATE, true);
    expect(worst()).toBe('slow');
    now = 10_001;
    expect(worst()).toBeNull();
  });

  it('is forgotten after a while for connections: a pool that asks for none has enough', () => {
    outcomes.failed(CONNECT, TOO_MANY, false);
    now = 30_000;
    expect(worst()).toBe('too_many_connections');
    now = 30_001;
    expect(worst()).toBeNull();
  });

  it('is stale when no write was tried for half a minute; one that succeeds then ends it', () => {
    outcomes.failed('INSERT 1', FULL, true);
    now = 30_000;
    expect(outcomes.isStale()).toBe(false);
    now = 30_001;
    expect([outcomes.isStale(), worst()]).toEqual([true, 'full']);

    outcomes.failed('INSERT 2', FULL, true);
    outcomes.forgetBefore(now);
    expect([outcomes.isStale(), worst()]).toEqual([false, 'full']);
    outcomes.succeeded('INSERT 2', 1, true);
    expect(worst()).toBeNull();
  });

  it('keeps a bounded number of failures', () => {
    for (let n = 0; n < 1000; n += 1) outcomes.failed(`INSERT ${n}`, FULL, true);
    for (let n = 900; n < 1000; n += 1) outcomes.succeeded(`INSERT ${n}`, 1, true);
    expect(worst()).toBeNull();
  });
});
