import { absurdNumbersOf, type ReportedCounts } from './seat-report.js';

const SEATS = 10;
const FAIR: ReportedCounts = { billableUsers: 12, maxHistoricalUsers: 15, addOnMetrics: null };

describe('the absurd numbers of a seat link', () => {
  it.each([
    ['a usual report', FAIR],
    ['none at all', { billableUsers: null, maxHistoricalUsers: null, addOnMetrics: null }],
    ['nothing', { ...FAIR, billableUsers: 0, maxHistoricalUsers: 0, addOnMetrics: [] }],
    ['100 users a seat', { ...FAIR, billableUsers: 1000, maxHistoricalUsers: 1000 }],
    [
      'more seats of an add-on than the license has',
      {
        ...FAIR,
        addOnMetrics: [{ add_on_type: 'a', purchased_seats: 0, assigned_seats: 2_147_483_647 }],
      },
    ],
  ])('are none in %s', (_case, counts) => {
    expect(absurdNumbersOf(counts, SEATS)).toEqual([]);
  });

  it.each([
    [-1, '-1'],
    [-0.5, '-0.5'],
    [1.5, '1.5'],
    [1001, '1001'],
    [2_147_483_648, '2147483648'],
    [1e308, '1e+308'],
    [Infinity, 'Infinity'],
    [NaN, 'NaN'],
  ])('name %p users, as text', (users, value) => {
    expect(absurdNumbersOf({ ...FAIR, billableUsers: users }, SEATS)).toEqual([
      { name: 'billable_users_count', value },
    ]);
    expect(absurdNumbersOf({ ...FAIR, maxHistoricalUsers: users }, SEATS)).toEqual([
      { name: 'max_historical_user_count', value },
    ]);
  });

  it('are judged by the largest integer alone for a license without a number of seats', () => {
    expect(absurdNumbersOf({ ...FAIR, billableUsers: 2_147_483_647 }, null)).toEqual([]);
    expect(absurdNumbersOf({ ...FAIR, billableUsers: 2_147_483_648 }, null)).toHaveLength(1);
  });

  it('name a metric with its add-on, and are 20 at most', () => {
    const metric = { add_on_type: 'duo_pro', purchased_seats: -2, assigned_seats: 1e12 };
    expect(absurdNumbersOf({ ...FAIR, addOnMetrics: [metric] }, SEATS)).toEqual([
      { name: 'duo_pro purchased_seats', value: '-2' },
      { name: 'duo_pro assigned_seats', value: '1000000000000' },
    ]);
    const many = Array.from({ length: 50 }, () => metric);
    expect(absurdNumbersOf({ ...FAIR, addOnMetrics: many }, SEATS)).toHaveLength(20);
  });
});
