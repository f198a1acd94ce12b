import { type Fault, FAULTS } from './faults.js';
import { judged, type Wanted } from './judge-answer.js';
import type { MockIssuer } from './start-mock-issuer.js';
import { sent, type Trial, untilLetIn } from './trial.js';

/** Each has taken down, in some validator, the keys of every issuer that it trusts. */
const FAULTS_OF_THE_OTHER: readonly Fault[] = [
  'empty',
  'null_member',
  'ec_key_first',
  'key_without_kid',
  'broken_json',
  'error_500',
  'reset',
  'hanging',
];

/** Tries a backend that trusts two issuers: neither may speak, or fall, for the other. */
export async function secondIssuerFindings(trial: Trial, second: MockIssuer): Promise<void> {
  const other: Trial = { ...trial, issuer: second };
  const good = { name: 'second-good', what: 'a good token of the second issuer' };
  trial.note(judged({ ...good, expected: 'accept' }, await untilLetIn(other)));
  const crosses: readonly (readonly [string, string, MockIssuer, string])[] = [
    [
      'second-key-first-iss',
      "the first issuer's `iss`, the second's key",
      second,
      trial.issuer.issuer,
    ],
    [
      'first-key-second-iss',
      "the second issuer's `iss`, the first's key",
      trial.issuer,
      second.issuer,
    ],
  ];
  for (const [name, what, signer, issuer] of crosses) {
    const wanted: Wanted = { name, what, expected: 'refuse' };
    trial.note(judged(wanted, await sent(trial, 'good', { issuer }, signer)));
  }
  for (const fault of FAULTS_OF_THE_OTHER) await unharmed(trial, second, fault);
}

/** Makes the backend fetch the second issuer's broken key set; then the first must still count. */
async function unharmed(trial: Trial, second: MockIssuer, fault: Fault): Promise<void> {
  second.setFault(fault);
  await sent(trial, 'unknown-kid', {}, second);
  const name = `second-keys-${fault.replaceAll('_', '-')}`;
  const what = `a good token of the first issuer, while the second's key set is so: ${FAULTS[fault]}`;
  trial.note(judged({ name, what, expected: 'accept' }, await sent(trial, 'good')));
  second.setFault('normal');
}
