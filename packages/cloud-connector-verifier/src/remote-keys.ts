import type { Clock } from './clock.js';
import type { Fetch } from './environment-proxy.js';
import { fetchDocument, jsonObject } from './fetch-document.js';
import { type KeyAlgorithm, type KeysByKid, type PublicKey, readKeySet } from './key-set.js';
import { SingleFlight } from './single-flight.js';

/** An event of a key set. It has nothing of a token. */
export type KeySetEvent =
  | {
      readonly type: 'keys_refreshed';
      readonly issuer: string;
      readonly kids: readonly string[];
      /** The unusable entries with their reasons. */
      readonly skipped: readonly string[];
    }
  | { readonly type: 'keys_refresh_failed'; readonly issuer: string; readonly reason: string };

export interface RemoteKeysOptions {
  readonly issuer: string;
  readonly alg: KeyAlgorithm;
  /** The present URL of the key set. @throws Error when it is not available */
  readonly locate: () => Promise<string>;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly cooldownMs: number;
  readonly maxStaleMs: number;
  readonly onEvent: (event: KeySetEvent) => void;
}

export const MAX_DOCUMENT_BYTES = 262_144;
const DEFAULT_MAX_AGE_SECONDS = 3600;
const MIN_MAX_AGE_SECONDS = 60;
const MAX_MAX_AGE_SECONDS = 86_400;
/** Without any keys the cool-down starts short and doubles: issuer and backend may both be starting. */
const COOLDOWN_WITHOUT_KEYS_MS = { first: 250, longest: 5000 } as const;
/** After this time without requests the keys may have changed, so the next request waits for them. */
const IDLE_MS = 3_600_000;

/**
 * The published keys of one issuer for one purpose. A failed fetch never removes keys. Verifying tokens
 * refreshes them in the background, so no timer is needed.
 */
export class RemoteKeys {
  private keys: KeysByKid = new Map();
  private fetchedAtMs = -Infinity;
  private maxAgeMs = 0;
  private readonly refresh: SingleFlight;

  constructor(private readonly options: RemoteKeysOptions) {
    const { clock, cooldownMs, issuer, onEvent } = options;
    this.refresh = new SingleFlight(
      () => this.fetchKeys(),
      (reason) => {
        onEvent({ type: 'keys_refresh_failed', issuer, reason });
      },
      clock,
      () => (this.keys.size > 0 ? cooldownMs : Math.min(cooldownMs, this.cooldownWithoutKeys())),
    );
  }

  /** The kids of the present keys, and when they were fetched (null: never). */
  state(): { readonly kids: readonly string[]; readonly fetchedAt: Date | null } {
    const known = Number.isFinite(this.fetchedAtMs);
    return { kids: [...this.keys.keys()], fetchedAt: known ? new Date(this.fetchedAtMs) : null };
  }

  /** Fetches the keys now, except during the cool-down. */
  async warmUp(): Promise<void> {
    await this.refresh.run();
  }

  /** @returns null when the issuer does not publish this key; undefined when there are no keys */
  async find(kid: string): Promise<PublicKey | null | undefined> {
    const idle = this.refresh.sinceStartMs > IDLE_MS;
    const refresh = this.isDue() ? this.refresh.run() : null;
    if (idle || !this.usable()) await refresh;
    const key = this.usable()?.get(kid);
    if (key) return key;
    await this.refresh.run();
    const keys = this.usable();
    return keys ? (keys.get(kid) ?? null) : undefined;
  }

  private cooldownWithoutKeys(): number {
    const { first, longest } = COOLDOWN_WITHOUT_KEYS_MS;
    return Math.min(first * 2 ** (this.refresh.failures - 1), longest);
  }

  private isDue(): boolean {
    const age = this.options.clock().getTime() - this.fetchedAtMs;
    return age < 0 || age >= this.maxAgeMs;
  }

  private usable(): KeysByKid | null {
    const age = this.options.clock().getTime() - this.fetchedAtMs;
    return this.keys.size > 0 && age <= this.options.maxStaleMs ? this.keys : null;
  }

  private async fetchKeys(): Promise<void> {
    const { issuer, alg, locate, fetch, timeoutMs, clock, onEvent } = this.options;
    const url = await locate();
    const limits = { timeoutMs, maxBytes: MAX_DOCUMENT_BYTES, accept: 'application/json' };
    const document = await fetchDocument(fetch, url, limits);
    const reading = await readKeySet(jsonObject(document, url), alg, this.keys);
    if (!reading) throw new Error(`${url} has no usable key`);
    this.keys = reading.keys;
    this.fetchedAtMs = clock().getTime();
    const { maxAgeSeconds, ageSeconds } = document.freshness;
    // A cache on the way has already used a part of max-age.
    const seconds = (maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS) - ageSeconds;
    this.maxAgeMs = 1000 * Math.min(Math.max(seconds, MIN_MAX_AGE_SECONDS), MAX_MAX_AGE_SECONDS);
    onEvent({
      type: 'keys_refreshed',
      issuer,
      kids: [...reading.keys.keys()],
      skipped: reading.skipped,
    });
  }
}
