import fc from 'fast-check';
import { dayOf, isCalendarDay, startOfDay } from './calendar-day.js';

const instants = fc.date({
  min: new Date('0001-01-01T00:00:00Z'),
  max: new Date('9998-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});

describe('dayOf', () => {
  it.each([
    ['2026-01-01T00:00:00.000Z', '2026-01-01'],
    ['2025-12-31T23:59:59.999Z', '2025-12-31'],
    ['2026-01-01T01:30:00+02:00', '2025-12-31'],
    ['2024-02-29T12:00:00Z', '2024-02-29'],
  ])('is the day in UTC in which %s lies: %s', (instant, day) => {
    expect(dayOf(new Date(instant))).toBe(day);
  });

  it('sorts days as text in the order of time', () => {
    fc.assert(
      fc.property(instants, instants, (one, other) => {
        expect(dayOf(one) < dayOf(other)).toBe(startOfDay(dayOf(one)) < startOfDay(dayOf(other)));
      }),
    );
  });
});

describe('isCalendarDay', () => {
  it.each(['2026-01-31', '2026-02-28', '2024-02-29', '2000-02-29', '0001-01-01', '9999-12-31'])(
    'knows %s',
    (day) => {
      expect(isCalendarDay(day)).toBe(true);
    },
  );

  it.each([
    '2026-02-29',
    '2026-02-30',
    '1900-02-29',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-01-32',
    '0000-01-01',
    '2026-1-1',
    '20260101',
    '10000-01-01',
    '2026-01-01T00:00:00Z',
    '2026-01-01\n',
    ' 2026-01-01',
    '٢٠٢٦-٠١-٠١',
    '',
  ])('does not know %j', (text) => {
    expect(isCalendarDay(text)).toBe(false);
  });

  it('knows the day of every instant', () => {
    fc.assert(
      fc.property(instants, (instant) => {
        expect(isCalendarDay(dayOf(instant))).toBe(true);
      }),
    );
  });
});

describe('startOfDay', () => {
  it.each([
    ['2026-01-01', 0, '2026-01-01T00:00:00.000Z'],
    ['2026-12-31', 1, '2027-01-01T00:00:00.000Z'],
    ['2024-02-28', 1, '2024-02-29T00:00:00.000Z'],
    ['2026-02-28', 1, '2026-03-01T00:00:00.000Z'],
    // Clocks change in between, but not in UTC.
    ['2026-03-20', 14, '2026-04-03T00:00:00.000Z'],
    ['2026-01-01', -1, '2025-12-31T00:00:00.000Z'],
    // Behind it there is no year of four digits.
    ['9999-12-17', 14, '9999-12-31T00:00:00.000Z'],
    ['9999-12-18', 14, '9999-12-31T23:59:59.000Z'],
    ['9999-12-31', 14, '9999-12-31T23:59:59.000Z'],
  ])('of %s and %d days is %s', (day, days, instant) => {
    expect(startOfDay(day, days).toISOString()).toBe(instant);
  });

  it('is the first instant of its day', () => {
    fc.assert(
      fc.property(instants, (instant) => {
        const start = startOfDay(dayOf(instant));
        expect(dayOf(start)).toBe(dayOf(instant));
        expect(dayOf(new Date(start.getTime() - 1))).not.toBe(dayOf(instant));
      }),
    );
  });
});
