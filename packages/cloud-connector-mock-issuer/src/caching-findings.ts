import { setTimeout as wait } from 'node:timers/promises';
import type { Expectation } from './corpus-entry.js';
import { type Fault, FAULTS } from './faults.js';
import { isLetIn, judged, type Wanted } from './judge-answer.js';
import { sent, type Trial, untilLetIn } from './trial.js';

/** Faults of the key set that a backend should sit out with the keys that it has. */
const KEY_FAULTS: readonly Fault[] = [
  'broken_json',
  'empty',
  'not_an_object',
  'key_without_kid',
  'ec_key_first',
  'null_member',
  'error_500',
  'redirect',
  'huge',
  'reset',
  'slow',
  'hanging',
];
const DISCOVERY_FAULTS: readonly Fault[] = ['broken_json', 'error_500', 'wrong_jwks_uri', 'reset'];
const SLOW_SECONDS = 3;

/** Rotates the keys, and breaks their endpoints while good tokens keep coming. */
export async function cachingFindings(trial: Trial): Promise<void> {
  const announced = 'the first token of a key that was announced before it signed';
  trial.issuer.rotate();
  await learned(trial, { name: 'caching-announced-key', what: announced, expected: 'accept' });
  const kept = 'a token of the key before that, still published';
  await judge(
    trial,
    { name: 'caching-retired-key', what: kept, expected: 'accept' },
    'good-previous-key',
  );
  trial.issuer.rotate();
  const unseen = 'the first token of a key that was announced after your last fetch, perhaps';
  await learned(trial, { name: 'caching-new-key', what: unseen, expected: 'accept' });
  for (const fault of KEY_FAULTS) await satOut(trial, fault, 'keys');
  for (const fault of DISCOVERY_FAULTS) await satOut(trial, fault, 'discovery');
  // The last one: it is a key set like any other, and a key that it lacks may have been revoked.
  await satOut(trial, 'only_newest', 'keys', 'either');
  trial.issuer.rotate();
  trial.issuer.rotate();
  const recovered = 'after all that: a token of a key that was not published before';
  await learned(trial, { name: 'caching-recovery', what: recovered, expected: 'accept' });
}

async function judge(trial: Trial, wanted: Wanted, token: string): Promise<void> {
  trial.note(judged(wanted, await sent(trial, token)));
}

/** Let in at once, or as soon as the backend has fetched the keys again. */
async function learned(trial: Trial, wanted: Wanted): Promise<void> {
  const answer = await untilLetIn(trial);
  const finding = judged(wanted, answer);
  const detail = `not within ${trial.patienceSeconds} s (${finding.detail ?? ''})`;
  trial.note(isLetIn(answer) ? finding : { ...finding, detail });
}

/** A token of an unknown key makes a backend fetch; then a good one must still be let in. */
async function satOut(
  trial: Trial,
  fault: Fault,
  document: 'keys' | 'discovery',
  expected: Expectation = 'accept',
): Promise<void> {
  await wait(trial.settleSeconds * 1000);
  trial.issuer.setFault(fault, { document, seconds: SLOW_SECONDS });
  const before = trial.issuer.fetches();
  const name = `caching-${document}-${fault.replaceAll('_', '-')}`;
  const what = `while ${document === 'keys' ? 'the key set' : 'discovery'} is so: ${FAULTS[fault]}`;
  const stranger = { name: `${name}-unknown-kid`, what: `an unknown key's token, ${what}` };
  await judge(trial, { ...stranger, expected: 'refuse' }, 'unknown-kid');
  const wanted = { name, what: `a good token, ${what}`, expected };
  const finding = judged(wanted, await sent(trial, 'good'));
  const { keys, discovery } = trial.issuer.fetches();
  const fetched = keys + discovery > before.keys + before.discovery;
  trial.note(
    fetched ? finding : { ...finding, detail: finding.detail ?? 'it did not fetch anything' },
  );
  trial.issuer.setFault('normal');
}
