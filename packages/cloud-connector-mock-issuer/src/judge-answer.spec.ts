import type { Expectation } from './corpus-entry.js';
import { type BackendAnswer, type Deviation, judged } from './judge-answer.js';

const answered = (status: number, body = '{}'): BackendAnswer => ({ status, body });
const wanted = (expected: Expectation, others: object = {}) => ({
  name: 'a',
  what: 'b',
  expected,
  ...others,
});

describe('judged', () => {
  it.each<[Expectation, number, Deviation | null]>([
    ['accept', 200, null],
    // Past the authentication: what the handler thinks of the body is its own affair.
    ['accept', 422, null],
    ['accept', 302, 'refused'],
    ['accept', 401, 'refused'],
    ['accept', 403, 'refused'],
    ['accept', 500, 'refused'],
    ['refuse', 401, null],
    ['refuse', 403, 'wrong_answer'],
    ['refuse', 302, 'wrong_answer'],
    ['refuse', 500, 'wrong_answer'],
    ['refuse', 200, 'accepted'],
    ['refuse', 422, 'accepted'],
    ['forbid', 403, null],
    ['forbid', 401, 'wrong_answer'],
    ['forbid', 200, 'accepted'],
    ['either', 200, null],
    ['either', 401, null],
    ['either', 500, 'wrong_answer'],
  ])('where it should %s, %i is %s', (expected, status, deviation) => {
    expect(judged(wanted(expected), answered(status)).deviation).toBe(deviation);
  });

  it('takes another status for right where one is named', () => {
    const large = wanted('refuse', { alsoRight: [431] });
    expect(judged(large, answered(431)).deviation).toBeNull();
    expect(judged(large, answered(432)).deviation).toBe('accepted');
    // Servers that do not read a large header may close the connection at once.
    const closed: BackendAnswer = { status: null, failure: 'ECONNRESET' };
    expect(judged(large, closed).deviation).toBeNull();
    expect(judged(wanted('refuse'), closed).deviation).toBe('no_answer');
  });

  it.each([
    ['{"error":"No"}', null],
    ['{"detail":"No"}', null],
    ['{"error":"Yes"}', 'the body says "Yes" instead of "No"'],
    ['No', 'the body says null instead of "No"'],
    ['null', 'the body says null instead of "No"'],
  ])('compares what the body %s says, when asked to', (body, detail) => {
    const refusal = wanted('refuse', { error: 'No' });
    expect(judged(refusal, answered(401, body), true).detail).toBe(detail);
    expect(judged(refusal, answered(401, body)).deviation).toBeNull();
  });
});
