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
  { kid: 'stands-by', phase: 'next' },
  { kid: 'spent', phase: 'retired' },
];

describe('erasing keys on a token', () => {
  it('takes what is retired and nothing that signs or is about to, however old', () => {
    const onToken = [key('signs'), key('stands-by'), key('spent')];
    expect(planHsmErasure(onToken, rows, 'ours', NOW)).toEqual(['spent']);
  });

  it('takes what is retired though it was made a moment ago', () => {
    expect(planHsmErasure([key('spent', { madeAt: NOW })], rows, 'ours', NOW)).toEqual(['spent']);
  });

  it('leaves one without a row alone for a day: its row may be about to be written', () => {
    const young = key('young', { madeAt: new Date('2026-03-01T00:00:01Z') });
    const old = key('old', { madeAt: new Date('2026-03-01T00:00:00Z') });
    const ahead = key('ahead', { madeAt: new Date('2026-03-03T00:00:00Z') });
    expect(planHsmErasure([young, old, ahead], rows, 'ours', NOW)).toEqual(['old']);
  });

  it('never takes what another issuer has made, though a copy of its database says retired', () => {
    const others = [key('spent', { mark: 'theirs' }), key('unknown', { mark: 'theirs' })];
    expect(planHsmErasure(others, rows, 'ours', NOW)).toEqual([]);
  });

  it('finds nothing to do once it is done', () => {
    expect(planHsmErasure([key('signs'), key('stands-by')], rows, 'ours', NOW)).toEqual([]);
  });
});
