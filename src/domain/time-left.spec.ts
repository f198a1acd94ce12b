import { timeLeft } from './time-left.js';

describe('the time that an instance has left', () => {
  it.each([
    ['2026-06-01T11:00:00.000Z', 'expired'],
    ['2026-06-01T12:00:00.000Z', 'expired'],
    ['2026-06-01T12:00:00.001Z', '1h'],
    ['2026-06-01T13:00:00.000Z', '1h'],
    ['2026-06-01T13:00:00.001Z', '6h'],
    ['2026-06-01T18:00:00.000Z', '6h'],
    ['2026-06-01T18:00:00.001Z', '24h'],
    ['2026-06-02T12:00:00.000Z', '24h'],
    ['2026-06-02T12:00:00.001Z', '48h'],
    ['2026-06-03T12:00:00.000Z', '48h'],
    ['2026-06-03T12:00:00.001Z', 'more'],
  ])('until %s is %s', (losesServiceAt, left) => {
    expect(timeLeft(new Date(losesServiceAt), new Date('2026-06-01T12:00:00Z'))).toBe(left);
  });

  it('is none of the times of an instance that never had a token', () => {
    expect(timeLeft(null, new Date('2026-06-01T12:00:00Z'))).toBe('none');
  });
});
