import {
  type Activation,
  ACTIVATION_RULES,
  type ActivationInput,
  activationRequest,
  readActivation,
} from './activation.js';
import { decideUse, type FeatureUser, type UseDecision, USER_RULES } from './allowed-to-use.js';
import { type BackendRequest, backendHeaders, REQUEST_RULES } from './backend-headers.js';
import { check, invalid, TEXT } from './check-input.js';
import { InstanceClientError } from './errors.js';
import { cleanerWithout } from './foreign-text.js';
import { needsRefresh } from './held-token.js';
import { type InstanceClientOptions, type Settings, settingsOf } from './options.js';
import { type Answer, postJson } from './post-json.js';
import { withRetries } from './retry.js';
import { Schedule } from './schedule.js';
import {
  checkSeatLink,
  readSeatLink,
  type SeatLink,
  type SeatLinkInput,
  seatLinkRequest,
} from './seat-link.js';
import { licenseKeyOf, type SyncOutcome, syncToken, usableToken } from './token-sync.js';

/** Issuers cannot ask for a longer wait. If it seems longer, the clock was set back. */
const LONGEST_POSTPONEMENT_MS = 6 * 3_600_000;

/** An instance's side of Cloud Connector. Any number of clients and processes may share a store. */
export class InstanceClient {
  private readonly schedule: Schedule;
  private stopping = new AbortController();
  private syncing: Promise<SyncOutcome> | null = null;
  private postponedUntil: Date | null = null;

  constructor(private readonly settings: Settings) {
    this.schedule = new Schedule(settings, () => this.checkToken());
  }

  /**
   * Redeems an activation code and keeps the license key in the store.
   * @throws {InstanceClientError} ACTIVATION_REFUSED with the issuer's sentences in `details`,
   * OPTION_INVALID, UNREACHABLE, ANSWER_UNUSABLE, and what the store throws
   */
  async activate(input: ActivationInput): Promise<Activation> {
    check('an activation', input, ACTIVATION_RULES);
    const body = activationRequest(this.settings, input);
    const clean = cleanerWithout(input.activationCode);
    const activation = readActivation(await this.post('/graphql', body), clean);
    const { licenseKey } = activation;
    await this.settings.store.update((state) => ({ ...state, licenseKey }));
    this.settings.log({ level: 'info', event: 'activated', message: 'the instance is activated' });
    return activation;
  }

  /**
   * Reports users and seats, as an instance does once a day, and stores the license key of the answer. After
   * three failed retries, call it again later: an instance tries for two days.
   * @throws {InstanceClientError} SEAT_LINK_REFUSED, NO_LICENSE_KEY, OPTION_INVALID, UNREACHABLE,
   * ANSWER_UNUSABLE
   */
  async sendSeatLink(input: SeatLinkInput): Promise<SeatLink> {
    checkSeatLink(input);
    const used = licenseKeyOf(this.settings, await this.settings.store.read());
    const body = seatLinkRequest(this.settings, used, input);
    const answer = await this.post('/api/v1/seat_links', body);
    const seatLink = readSeatLink(answer, cleanerWithout(used));
    const { licenseKey } = seatLink;
    if (licenseKey !== null) {
      await this.settings.store.update((state) => ({ ...state, licenseKey }));
    }
    const message = 'users and seats are reported';
    this.settings.log({ level: 'info', event: 'seat_link_sent', message });
    return seatLink;
  }

  /**
   * Asks the issuer for a token now, due or not. Calls at the same time share one request.
   * @throws {InstanceClientError} NO_LICENSE_KEY, and errors of the store. A refusal or a missing answer of
   * the issuer is an outcome, not an error.
   */
  sync(): Promise<SyncOutcome> {
    this.syncing ??= this.syncOnce().finally(() => {
      this.syncing = null;
    });
    return this.syncing;
  }

  /**
   * Syncs when there is no token, or less than two days are left. An instance does this every hour.
   * @throws {InstanceClientError} as `sync`
   */
  async checkToken(): Promise<SyncOutcome> {
    const now = this.settings.clock.now();
    const token = usableToken(this.settings, await this.settings.store.read());
    if (token && !needsRefresh(token, now)) {
      const expiresAt = new Date(token.expiresAt * 1000);
      const message = `the token is good until ${expiresAt.toISOString()}`;
      this.settings.log({ level: 'debug', event: 'token_not_due', message });
      return { outcome: 'not_due', expiresAt };
    }
    const until = this.postponedUntil;
    const leftMs = until ? until.getTime() - now.getTime() : 0;
    if (until && leftMs > 0 && leftMs <= LONGEST_POSTPONEMENT_MS) {
      const message = `the issuer asked to wait until ${until.toISOString()}`;
      this.settings.log({ level: 'info', event: 'sync_postponed', message });
      return { outcome: 'postponed', until };
    }
    return this.sync();
  }

  /** Checks now and then every hour, give or take six minutes, until `stop`. Twice does nothing. */
  start(): void {
    this.schedule.start();
  }

  /** Ends the schedule and the requests under way. Resolves when none is left. `start` works again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.schedule.stop();
    await this.syncing?.catch(() => undefined);
    this.stopping = new AbortController();
  }

  /**
   * The headers of a request to a backend, with the newest unexpired token.
   * @throws {InstanceClientError} NO_TOKEN, OPTION_INVALID for a value that does not fit in a header
   */
  async headers(request: BackendRequest = {}): Promise<Record<string, string>> {
    check('a request to a backend', request, REQUEST_RULES);
    const token = usableToken(this.settings, await this.settings.store.read());
    if (token) return backendHeaders(this.settings, token, request);
    const feature = request.aiFeatureName ?? request.unitPrimitive ?? 'this request';
    const advice = 'sync, and look at what the issuer answers';
    throw new InstanceClientError('NO_TOKEN', `no unexpired token for ${feature}: ${advice}`);
  }

  /**
   * Whether this user may use a unit primitive, before a backend is asked: by the synced catalog, the
   * token's scopes, the purchases given at creation and the user's seats.
   * @throws {InstanceClientError} OPTION_INVALID, and what the store throws
   */
  async allowedToUse(user: FeatureUser, unitPrimitive: string): Promise<UseDecision> {
    // A user may well be more than that elsewhere.
    check('a user', user, USER_RULES, 'ignored');
    if (!TEXT[0](unitPrimitive)) throw invalid(`unitPrimitive ${TEXT[1]}`);
    const [state, purchases] = await Promise.all([
      this.settings.store.read(),
      this.settings.purchases(),
    ]);
    return decideUse(user, unitPrimitive, {
      catalog: state.catalog,
      token: usableToken(this.settings, state),
      gitlabVersion: this.settings.gitlabVersion,
      purchases,
      now: this.settings.clock.now(),
    });
  }

  private async syncOnce(): Promise<SyncOutcome> {
    const outcome = await syncToken(this.settings, this.stopping.signal);
    this.postponedUntil = outcome.outcome === 'failed' ? outcome.retryAt : null;
    if (outcome.outcome === 'failed') {
      this.settings.log({ level: 'error', event: 'sync_failed', message: outcome.message });
    }
    return outcome;
  }

  /** For requests that are only repeated when the answer says "try again". */
  private async post(path: string, body: object): Promise<Answer> {
    const { signal } = this.stopping;
    const { answer, error } = await withRetries(
      this.settings,
      signal,
      () => postJson(this.settings, path, body, signal),
      (one) => one.status < 500 && one.status !== 429,
    );
    if (answer) return answer;
    throw error ?? new InstanceClientError('UNREACHABLE', 'no answer from the issuer');
  }
}

/**
 * @throws {InstanceClientError} OPTION_INVALID
 * @example
 * const client = createInstanceClient({ url, instanceId, hostname, gitlabVersion, licenseKey, store });
 * client.start();
 */
export function createInstanceClient(options: InstanceClientOptions): InstanceClient {
  return new InstanceClient(settingsOf(options));
}
