import {
  type AddOnPurchase,
  decideUse,
  type FeatureUser,
  type UseFacts,
} from './allowed-to-use.js';
import type { HeldToken } from './held-token.js';

const NOW = new Date('2026-03-10T12:00:00Z');
const PAID = { cut_off_date: '2024-10-17T00:00:00.000+00:00', backend_services: ['ai_gateway'] };
const ITEMS = [
  {
    name: 'ask_epic',
    ...PAID,
    min_gitlab_version: '17.0',
    add_ons: ['duo_enterprise'],
  },
  { name: 'complete_code', ...PAID, add_ons: ['duo_core', 'duo_pro', 'duo_enterprise'] },
  { name: 'free', backend_services: ['ai_gateway'], min_gitlab_version_for_free_access: '18.0' },
  { name: 'soon_paid', ...PAID, cut_off_date: '2026-03-10T12:00:00.001+00:00', add_ons: [] },
  { name: 'just_paid', ...PAID, cut_off_date: '2026-03-10T12:00:00.000+00:00', add_ons: [] },
  { name: 'unreadable', ...PAID, cut_off_date: 'some day', add_ons: [] },
  { name: 'half_readable', ...PAID, cut_off_date: 'not before 2099', add_ons: [] },
  { name: 'no_text', ...PAID, cut_off_date: 1_900_000_000_000, add_ons: [] },
  { name: 'nobody', backend_services: [] },
];
const TOKEN: HeldToken = {
  token: 'e30.e30.x',
  instanceId: 'i',
  realm: 'self-managed',
  scopes: ITEMS.map(({ name }) => name),
  issuedAt: 0,
  notBefore: 0,
  expiresAt: 1,
  receivedAt: 0,
};
const FACTS: UseFacts = {
  catalog: { unit_primitives: ITEMS },
  token: TOKEN,
  gitlabVersion: '18.5.0-ee',
  purchases: [],
  now: NOW,
};
const bought = (addOn: string, about: Partial<AddOnPurchase> = {}): AddOnPurchase => ({
  addOn,
  expiresOn: '2027-01-01',
  ...about,
});

function reason(unitPrimitive: string, about: Partial<UseFacts> = {}, seats: string[] = []) {
  const user: FeatureUser = { id: 7, addOnSeats: seats };
  const { allowed, reason: why } = decideUse(user, unitPrimitive, { ...FACTS, ...about });
  expect(allowed).toBe(why.startsWith('ALLOWED_'));
  return why;
}

describe('whether a user may use a unit primitive', () => {
  it('is for everybody while it is free, to the very instant of its cut-off', () => {
    expect(reason('free')).toBe('ALLOWED_FREE');
    expect(reason('soon_paid')).toBe('ALLOWED_FREE');
    expect(reason('just_paid')).toBe('NO_ACTIVE_PURCHASE');
    expect(reason('unreadable')).toBe('NO_ACTIVE_PURCHASE');
    expect(reason('half_readable')).toBe('NO_ACTIVE_PURCHASE');
    expect(reason('no_text')).toBe('NO_ACTIVE_PURCHASE');
  });

  it('needs a purchase that is active today', () => {
    const on = (about: Partial<AddOnPurchase>) =>
      reason('ask_epic', { purchases: [bought('duo_enterprise', about)] }, ['duo_enterprise']);
    expect(on({ startedAt: '2026-03-10' })).toBe('ALLOWED_ADD_ON');
    expect(on({ startedAt: '2026-03-11' })).toBe('NO_ACTIVE_PURCHASE');
    expect(on({ startedAt: null, expiresOn: '2026-03-11' })).toBe('ALLOWED_ADD_ON');
    expect(on({ expiresOn: '2026-03-10' })).toBe('NO_ACTIVE_PURCHASE');
  });

  it('needs a seat of Duo Pro or Duo Enterprise, whichever of the two was bought', () => {
    const both = [bought('code_suggestions'), bought('duo_enterprise')];
    expect(reason('complete_code', { purchases: both })).toBe('NO_SEAT');
    expect(reason('complete_code', { purchases: both }, ['duo_pro'])).toBe('ALLOWED_ADD_ON');
    expect(reason('ask_epic', { purchases: both }, ['duo_pro'])).toBe('NO_SEAT');
    expect(reason('ask_epic', { purchases: both }, ['duo_enterprise'])).toBe('ALLOWED_ADD_ON');
    const pro = [bought('duo_pro')];
    expect(reason('complete_code', { purchases: pro }, ['duo_enterprise'])).toBe('NO_SEAT');
    expect(reason('complete_code', { purchases: pro }, ['code_suggestions'])).toBe(
      'ALLOWED_ADD_ON',
    );
  });

  it('needs no seat of an add-on that is the whole instance its own', () => {
    expect(reason('complete_code', { purchases: [bought('duo_core')] })).toBe('ALLOWED_ADD_ON');
  });

  it('needs a token that carries it, and the version that it works with', () => {
    const purchases = [bought('duo_enterprise')];
    const seats = ['duo_enterprise'];
    const token = { ...TOKEN, scopes: ['complete_code'] };
    expect(reason('ask_epic', { purchases, token }, seats)).toBe('NOT_IN_TOKEN_SCOPES');
    expect(reason('free', { token })).toBe('NOT_IN_TOKEN_SCOPES');
    expect(reason('ask_epic', { purchases, token: null }, seats)).toBe('NO_TOKEN');
    expect(reason('ask_epic', { purchases, gitlabVersion: '16.11.9' }, seats)).toBe(
      'GITLAB_VERSION_TOO_OLD',
    );
    expect(reason('free', { gitlabVersion: '17.11' })).toBe('GITLAB_VERSION_TOO_OLD');
    expect(reason('free', { gitlabVersion: '18.0' })).toBe('ALLOWED_FREE');
  });

  it('needs a catalog that knows it and a backend for it', () => {
    expect(reason('free', { catalog: null })).toBe('CATALOG_NOT_SYNCED');
    expect(reason('free', { catalog: {} })).toBe('UNKNOWN_UNIT_PRIMITIVE');
    expect(reason('duo_chess')).toBe('UNKNOWN_UNIT_PRIMITIVE');
    expect(reason('nobody')).toBe('NO_AUDIENCE');
  });

  it('names the add-ons that would allow it', () => {
    expect(decideUse({ id: 7 }, 'ask_epic', FACTS)).toEqual({
      allowed: false,
      reason: 'NO_ACTIVE_PURCHASE',
      addOns: ['duo_enterprise'],
    });
  });
});
