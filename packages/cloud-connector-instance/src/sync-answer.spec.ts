import { readSyncAnswer } from './sync-answer.js';

function verdictOn(status: number, json: unknown) {
  return readSyncAnswer({ status, json, retryAfter: null, date: null }).verdict;
}
const access = (serviceToken: unknown) => ({ data: { cloudConnectorAccess: { serviceToken } } });
const errors = [{ message: 'it has expired', extensions: { code: 'LICENSE_EXPIRED' } }];

describe('an answer to a sync', () => {
  it('with a token brings a token', () => {
    expect(verdictOn(200, access({ token: 'e30.e30.x', expiresAt: '2026-03-13T12:00:00Z' }))).toBe(
      'token',
    );
  });

  it.each([[access(null)], [access({ token: null, expiresAt: null })]])(
    'that is the deliberate null revokes: %j',
    (json) => {
      expect(verdictOn(200, json)).toBe('revoked');
    },
  );

  it.each([
    [200, { errors, data: null }],
    [200, { errors, ...access(null) }],
    [200, { errors: [], ...access(null) }],
    [422, { anything: 1 }],
  ])('with errors, or 422, denies: %i %j', (status, json) => {
    expect(verdictOn(status, json)).toBe('denied');
  });

  it('says with which code it denies', () => {
    const denial = readSyncAnswer({ status: 200, json: { errors }, retryAfter: null, date: null });
    expect(denial).toEqual({
      verdict: 'denied',
      code: 'LICENSE_EXPIRED',
      message: 'it has expired',
    });
  });

  it.each([
    [500, access(null)],
    [203, access(null)],
    [503, { errors }],
    [429, { errors }],
    [404, undefined],
    [302, undefined],
    [422, undefined],
    [200, undefined],
    [200, null],
    [200, []],
    [200, {}],
    [200, { data: null }],
    [200, { data: {} }],
    [200, { data: { cloudConnectorAccess: null } }],
    [200, { data: { cloudConnectorAccess: {} } }],
    [200, access('a string')],
    [200, access({})],
    [200, access({ token: '' })],
    [200, access({ token: 7 })],
  ])('that is anything else is asked for again, and takes no token away: %i %j', (status, json) => {
    expect(verdictOn(status, json)).toBe('try_again');
  });
});
