import { STATUS_LIST_BITS, statusReferenceOf } from './status-list.js';

const ISSUER = 'https://issuer.example.com';

describe('statusReferenceOf', () => {
  it.each([
    [0, 0, '/status/0'],
    [STATUS_LIST_BITS - 1, STATUS_LIST_BITS - 1, '/status/0'],
    [STATUS_LIST_BITS, 0, '/status/1'],
    [5 * STATUS_LIST_BITS + 7, 7, '/status/5'],
  ])('finds the token %i at %i of the list %s', (statusIndex, idx, path) => {
    expect(statusReferenceOf(ISSUER, statusIndex)).toEqual({ idx, uri: `${ISSUER}${path}` });
  });
});
