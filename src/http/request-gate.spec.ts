import { setImmediate as nextTurn } from 'node:timers/promises';
import { createLogger } from '../platform/logging.js';
import { RequestGate } from './request-gate.js';

const LIMITS = { slots: 2, startsPerTurn: 2, places: 3, waitMs: 60_000 };

describe('RequestGate', () => {
  let accepted: number;
  let heard: string[];

  beforeEach(() => {
    accepted = 0;
    heard = [];
  });

  function gateWith(limits: Partial<typeof LIMITS> = {}): RequestGate {
    return new RequestGate({ ...LIMITS, ...limits }, () => accepted, createLogger('fatal'));
  }

  function applicant(name: string) {
    return {
      admitted: () => heard.push(`${name} in`),
      turnedAway: () => heard.push(`${name} away`),
    };
  }

  function enter(gate: RequestGate, ...names: string[]): void {
    for (const name of names) gate.enter(applicant(name));
  }

  it('admits at once while there are slots', () => {
    enter(gateWith(), 'a', 'b', 'c');
    expect(heard).toEqual(['a in', 'b in']);
  });

  it('gives a slot that comes back to the one that has waited longest', async () => {
    const gate = gateWith();
    enter(gate, 'a', 'b', 'c', 'd');
    await nextTurn();
    gate.leave();
    await nextTurn();
    expect(heard).toEqual(['a in', 'b in', 'c in']);
    expect(gate.counts).toEqual({ inWork: 2, waiting: 1 });
  });

  it('lets nobody overtake the line', async () => {
    const gate = gateWith();
    enter(gate, 'a', 'b', 'c');
    gate.leave();
    enter(gate, 'late');
    await nextTurn();
    expect(heard).toEqual(['a in', 'b in', 'c in']);
  });

  it('turns away who finds no place to wait', () => {
    const gate = gateWith();
    enter(gate, 'a', 'b', 'c', 'd', 'e', 'f');
    expect(heard).toEqual(['a in', 'b in', 'f away']);
    expect(gate.counts).toEqual({ inWork: 2, waiting: 3 });
  });

  it('turns away who has waited in vain, and gives it no slot afterwards', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
    try {
      const gate = gateWith();
      enter(gate, 'a', 'b', 'c');
      jest.advanceTimersByTime(LIMITS.waitMs - 1);
      expect(heard).not.toContain('c away');
      jest.advanceTimersByTime(1);
      expect(heard).toContain('c away');
      gate.leave();
      await nextTurn();
      expect(gate.counts).toEqual({ inWork: 1, waiting: 0 });
    } finally {
      jest.useRealTimers();
    }
  });

  it('forgets who hung up while waiting', async () => {
    const gate = gateWith();
    const gone = applicant('gone');
    enter(gate, 'a', 'b');
    gate.enter(gone);
    gate.giveUp(gone);
    gate.leave();
    await nextTurn();
    expect(heard).toEqual(['a in', 'b in']);
    expect(gate.counts).toEqual({ inWork: 1, waiting: 0 });
  });

  it('starts no more in one turn than keep the turn short', async () => {
    const gate = gateWith({ slots: 10, startsPerTurn: 1 });
    enter(gate, 'a', 'b', 'c');
    expect(heard).toEqual(['a in']);
    await nextTurn();
    expect(heard).toEqual(['a in', 'b in']);
    await nextTurn();
    expect(heard).toEqual(['a in', 'b in', 'c in']);
  });

  it('starts nothing in a turn that has taken a new connection', async () => {
    const gate = gateWith();
    accepted += 1;
    enter(gate, 'a');
    await nextTurn();
    expect(heard).toEqual([]);
    await nextTurn();
    expect(heard).toEqual(['a in']);
  });

  it('starts something after so many turns even when connections never cease', async () => {
    const gate = gateWith();
    accepted += 1;
    enter(gate, 'a');
    let turns = 0;
    for (; heard.length === 0 && turns < 1000; turns += 1) {
      accepted += 1;
      await nextTurn();
    }
    expect(turns).toBe(513);
    expect(heard).toEqual(['a in']);
  });
});
