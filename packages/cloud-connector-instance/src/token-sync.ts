import { InstanceClientError } from './errors.js';
import { type Clean, cleanerWithout } from './foreign-text.js';
import { type HeldToken, newestUsable, readToken, withToken } from './held-token.js';
import { asObject, type JsonObject } from './json.js';
import type { Settings } from './options.js';
import { postJson } from './post-json.js';
import { withRetries } from './retry.js';
import { availableServicesOf, type StoredState } from './stored-state.js';
import { readSyncAnswer, SYNC_QUERY, type SyncVerdict } from './sync-answer.js';

/** The outcome of a sync, or of a check that needed none. */
export type SyncOutcome =
  /** A new token is stored. Older unexpired tokens stay. */
  | { readonly outcome: 'stored'; readonly expiresAt: Date }
  /** The issuer revoked the tokens of this instance: all are removed. */
  | { readonly outcome: 'revoked' }
  /** The issuer refused. Tokens stay, and the next check asks again. */
  | { readonly outcome: 'denied'; readonly code: string | null; readonly message: string }
  /** No usable answer, also after retries. Tokens stay. `retryAt`: the time that the issuer named. */
  | { readonly outcome: 'failed'; readonly message: string; readonly retryAt: Date | null }
  /** The newest token has two days left or more. */
  | { readonly outcome: 'not_due'; readonly expiresAt: Date }
  /** The issuer asked to wait. */
  | { readonly outcome: 'postponed'; readonly until: Date };

const MAX_OUTDATED = 3;
const CLOCK_OFF_MS = 5 * 60_000;

type Failed = Extract<SyncOutcome, { outcome: 'failed' }>;

/** @throws {InstanceClientError} NO_LICENSE_KEY, and what the store throws */
export async function syncToken(settings: Settings, signal: AbortSignal): Promise<SyncOutcome> {
  for (let turn = 1; ; turn += 1) {
    const before = await settings.store.read();
    const licenseKey = licenseKeyOf(settings, before);
    const verdict = await ask(settings, licenseKey, signal);
    if ('outcome' in verdict) return verdict;
    const outcome = await apply(settings, before, verdict);
    if (outcome) return outcome;
    settings.log({
      level: 'warn',
      event: 'token_outdated',
      message: 'another process received a revocation meanwhile: asking again',
    });
    if (turn === MAX_OUTDATED) return failed('the tokens were revoked again and again', null);
  }
}

/** @throws {InstanceClientError} NO_LICENSE_KEY */
export function licenseKeyOf(settings: Settings, state: StoredState): string {
  const licenseKey = settings.licenseKey ?? state.licenseKey;
  if (licenseKey !== null) return licenseKey;
  throw new InstanceClientError('NO_LICENSE_KEY', 'there is no license key yet: activate first');
}

async function ask(
  settings: Settings,
  licenseKey: string,
  signal: AbortSignal,
): Promise<Exclude<SyncVerdict, { verdict: 'try_again' }> | Failed> {
  const variables = { licenseKey, gitlabVersion: settings.gitlabVersion };
  const post = () => postJson(settings, '/graphql', { query: SYNC_QUERY, variables }, signal);
  const { answer, error, retryAt } = await withRetries(
    settings,
    signal,
    post,
    (one) => readSyncAnswer(one).verdict !== 'try_again',
  );
  if (!answer) return failed(error?.message ?? 'no answer', retryAt);
  warnOfClock(settings, answer.date);
  const verdict = cleaned(readSyncAnswer(answer), cleanerWithout(licenseKey));
  return verdict.verdict === 'try_again' ? failed(textOf(verdict), retryAt) : verdict;
}

function cleaned(verdict: SyncVerdict, clean: Clean): SyncVerdict {
  if (!('message' in verdict)) return verdict;
  const code = verdict.code === null ? null : clean(verdict.code);
  return { ...verdict, code, message: clean(verdict.message) };
}

/** Null when the answer is older than a known revocation. */
async function apply(
  settings: Settings,
  before: StoredState,
  verdict: Exclude<SyncVerdict, { verdict: 'try_again' }>,
): Promise<SyncOutcome | null> {
  const { store, clock, log } = settings;
  if (verdict.verdict === 'denied') {
    log({ level: 'warn', event: 'sync_denied', message: textOf(verdict) });
    return { outcome: 'denied', code: verdict.code, message: verdict.message };
  }
  if (verdict.verdict === 'revoked') {
    await store.update((state) => revoked(settings, state, verdict.access));
    const message = 'the issuer revoked the tokens of this instance: they are removed';
    log({ level: 'warn', event: 'tokens_revoked', message });
    return { outcome: 'revoked' };
  }
  const now = clock.now();
  const token = readToken(verdict.token, now);
  if (token?.instanceId !== settings.instanceId) {
    return failed('the answer has no token for this instance', null);
  }
  const after = await store.update((state) =>
    state.revocations === before.revocations ? stored(state, token, verdict.access, now) : state,
  );
  if (after.revocations !== before.revocations) return null;
  const expiresAt = new Date(token.expiresAt * 1000);
  const message = `a token is stored, good until ${expiresAt.toISOString()}`;
  log({ level: 'info', event: 'token_stored', message });
  return { outcome: 'stored', expiresAt };
}

function stored(state: StoredState, token: HeldToken, access: JsonObject, now: Date): StoredState {
  return { ...state, ...catalogOf(state, access), tokens: withToken(state.tokens, token, now) };
}

function revoked({ instanceId }: Settings, state: StoredState, access: JsonObject): StoredState {
  const tokens = state.tokens.filter((one) => one.instanceId !== instanceId);
  const revocations = state.revocations + 1;
  return { ...state, ...catalogOf(state, access), tokens, revocations };
}

/** An answer without them leaves the known ones. */
function catalogOf(state: StoredState, access: JsonObject) {
  const services = availableServicesOf(access['availableServices']);
  return {
    catalog: asObject(access['catalog']) ?? state.catalog,
    availableServices: services.length > 0 ? services : state.availableServices,
  };
}

function failed(message: string, retryAt: Date | null): Failed {
  return { outcome: 'failed', message, retryAt };
}

function textOf({ code, message }: { readonly code: string | null; readonly message: string }) {
  return code === null ? message : `${code}: ${message}`;
}

function warnOfClock({ clock, log }: Settings, date: Date | null): void {
  const offMs = date === null ? 0 : clock.now().getTime() - date.getTime();
  if (Math.abs(offMs) < CLOCK_OFF_MS) return;
  const how = `${Math.round(Math.abs(offMs) / 1000)} s ${offMs > 0 ? 'ahead of' : 'behind'}`;
  log({
    level: 'warn',
    event: 'clock_off',
    message: `this machine's clock is ${how} the issuer's`,
  });
}

/** The token to present now; null when there is none. */
export function usableToken(settings: Settings, state: StoredState): HeldToken | null {
  return newestUsable(state.tokens, settings.instanceId, settings.clock.now());
}
