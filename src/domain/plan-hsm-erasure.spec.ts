import { planHsmErasure, type HsmKey } from './plan-hsm-erasure.js';

const NOW = new Date('2026-03-02T00:00:00Z');
const key = (kid: string, about: Partial<HsmKey> = {}): HsmKey => ({
  kid,
  mark: 'ours',
  madeAt: new Date('2026-01-01T00:00:00Z'),
  ...about,
});
const rows = [
  { kid: 'signs', phase: 'current' },
  { kid: 'next-key', phase: 'next' },
  { kid: 'spent', phase: 'retired' },
];

describe('erasing keys on an HSM', () => {
  it('erases retired keys, and never the current or the next key, however old', () => {
    const onHsm = [key('signs'), key('next-key'), key('spent')];
    expect(planHsmErasure(onHsm, rows, 'ours', NOW)).toEqual(['spent']);
  });

  it('erases a retired key that was made a moment ago', () => {
    expect(planHsmErasure([key('spent', { madeAt: NOW })], rows, 'ours', NOW)).toEqual(['spent']);
  });

  it('keeps a key without a row for a day: its row may come later', () => {
    const young = key('young', { madeAt: new Date('2026-03-01T00:00:01Z') });
    const old = key('old', { madeAt: new Date('2026-03-01T00:00:00Z') });
    const ahead = key('ahead', { madeAt: new Date('2026-03-03T00:00:00Z') });
    expect(planHsmErasure([young, old, ahead], rows, 'ours', NOW)).toEqual(['old']);
  });

  it('never erases the key of another issuer, even with a retired row in a copy of its database', () => {
    const others = [key('spent', { mark: 'theirs' }), key('unknown', { mark: 'theirs' })];
    expect(planHsmErasure(others, rows, 'ours', NOW)).toEqual([]);
  });

  it('does nothing the second time', () => {
    expect(planHsmErasure([key('signs'), key('next-key')], rows, 'ours', NOW)).toEqual([]);
  });
});
