import { retryAfterMs } from './retry.js';

const NOW = new Date('2026-03-10T12:00:00Z');

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['Tue, 10 Mar 2026 12:05:00 GMT', 300_000],
    ['Tuesday, 10-Mar-26 12:05:00 GMT', 300_000],
  ])('%j is understood', (header, milliseconds) => {
    expect(retryAfterMs(header, NOW)).toBe(milliseconds);
  });

  it('that lies in the past asks for no wait', () => {
    expect(retryAfterMs('Tue, 10 Mar 2026 11:00:00 GMT', NOW)).toBe(0);
  });

  it.each(['99999999999999999999', '1000000', 'Fri, 31 Dec 9999 23:59:59 GMT'])(
    '%j cannot keep an instance away for more than six hours',
    (header) => {
      expect(retryAfterMs(header, NOW)).toBe(6 * 3_600_000);
    },
  );

  it.each([null, '', '-1', '1.5', 'soon', 'NaN', '1e3', '2026-03-10T13:00:00Z'])(
    '%j is as good as none',
    (header) => {
      expect(retryAfterMs(header, NOW)).toBeNull();
    },
  );
});
