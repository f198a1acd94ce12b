import { type AddOnPurchase, phaseOf } from './add-on-purchase.js';

const year: AddOnPurchase = {
  id: 'a purchase',
  addOn: 'duo_pro',
  quantity: 1,
  startedAt: '2026-01-01',
  expiresOn: '2027-01-01',
  voidedAt: null,
};

describe('phaseOf', () => {
  it.each([
    ['2025-12-31', 'not_started'],
    ['2026-01-01', 'active'],
    ['2026-12-31', 'active'],
    ['2027-01-01', 'expired'],
  ])('on %s a purchase for 2026 is %s', (today, phase) => {
    expect(phaseOf(year, today)).toBe(phase);
  });

  it('makes a purchase of a single day last that day only', () => {
    const single = { ...year, startedAt: '2026-05-05', expiresOn: '2026-05-06' };
    expect(phaseOf(single, '2026-05-04')).toBe('not_started');
    expect(phaseOf(single, '2026-05-05')).toBe('active');
    expect(phaseOf(single, '2026-05-06')).toBe('expired');
  });

  it.each([
    ['0001-01-01', 'active'],
    ['2026-12-31', 'active'],
    ['2027-01-01', 'expired'],
  ])('takes a purchase without a start for always running: on %s it is %s', (today, phase) => {
    expect(phaseOf({ ...year, startedAt: null }, today)).toBe(phase);
  });

  it.each(['2025-12-31', '2026-06-01', '2027-01-01'])(
    'never counts a purchase that was called off, on %s as little as ever',
    (today) => {
      expect(phaseOf({ ...year, voidedAt: new Date('2025-06-01T00:00:00Z') }, today)).toBe('void');
    },
  );

  it('needs a quantity of at least 1', () => {
    expect(phaseOf({ ...year, quantity: 0 }, '2026-06-01')).toBe('void');
    expect(phaseOf({ ...year, quantity: -1 }, '2026-06-01')).toBe('void');
    expect(phaseOf({ ...year, quantity: 1 }, '2026-06-01')).toBe('active');
  });
});
