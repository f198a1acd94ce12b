import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Clock } from '../platform/clock.js';
import { networkOf } from '../platform/ip-network.js';
import { IssuerError, type IssuerErrorCode } from '../platform/issuer-error.js';
import { Metrics } from '../platform/metrics.js';

/** Of license keys and activation codes: many instances may share an address. */
const KEYS_AT_ONCE = 100;
/** Of API tokens: few admins send them. */
const TOKENS_AT_ONCE = 20;
const FORGOTTEN_PER_SECOND = 1;
const MAX_ADDRESSES = 10_000;
/** All clients whose address is not known count as one: otherwise a text in place of it would be a way around. */
const UNKNOWN = 'unknown';
/** One customer has a whole /64 of IPv6: it counts as one address. */
const CUSTOMER = { ipv4: 32, ipv6: 64 } as const;

interface Bucket {
  failures: number;
  at: number;
}

/** Counts failures by address, as a leaky bucket. */
export class FailuresByAddress {
  private readonly buckets = new Map<string, Bucket>();

  /** @param atOnce the failures that an address may have at once */
  constructor(
    private readonly clock: Clock,
    private readonly atOnce: number,
  ) {}

  /** Counts one failure. @returns the seconds to wait after too many failures, else null */
  count(address: string | null): number | null {
    const now = this.clock.now().getTime() / 1000;
    const network = networkOf(address ?? '', CUSTOMER) ?? UNKNOWN;
    const bucket = this.buckets.get(network) ?? { failures: 0, at: now };
    const elapsed = Math.max(0, now - bucket.at);
    const failures = Math.max(0, bucket.failures - elapsed * FORGOTTEN_PER_SECOND) + 1;
    // Deleting first moves the address to the end, so the map stays in order of last use.
    this.buckets.delete(network);
    const held = Math.min(failures, this.atOnce + 1);
    this.buckets.set(network, { failures: held, at: now });
    if (this.buckets.size > MAX_ADDRESSES) this.forgetOldest();
    // By then there is room for the next failure.
    return failures > this.atOnce
      ? Math.ceil((held + 1 - this.atOnce) / FORGOTTEN_PER_SECOND)
      : null;
  }

  private forgetOldest(): void {
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}

/**
 * Limits look-ups of unknown keys, codes and API tokens by address. They are counted after the look-up: what is
 * registered is never limited, even when others at its address guess.
 */
@Injectable()
export class FailedLookUps {
  private readonly failures: ReadonlyMap<IssuerErrorCode, FailuresByAddress>;
  private readonly counter: Counter<'code' | 'limited'>;

  constructor(clock: Clock, { registry }: Metrics) {
    const keys = new FailuresByAddress(clock, KEYS_AT_ONCE);
    this.failures = new Map([
      ['LICENSE_NOT_FOUND', keys],
      ['ACTIVATION_CODE_GIVEN', keys],
      ['ACTIVATION_CODE_UNKNOWN', keys],
      ['UNAUTHENTICATED', new FailuresByAddress(clock, TOKENS_AT_ONCE)],
    ]);
    this.counter = new Counter({
      name: 'issuer_failed_look_ups_total',
      help: 'Unknown license keys, activation codes and API tokens, by code and whether their address was limited.',
      labelNames: ['code', 'limited'],
      registers: [registry],
    });
  }

  /**
   * Counts the error if its code is that of a guess.
   * @returns RATE_LIMITED after too many of them, else null: the error itself is the answer
   */
  limited({ code }: IssuerError, address: string | null): IssuerError | null {
    const failures = this.failures.get(code);
    if (!failures) return null;
    const retryAfterSeconds = failures.count(address);
    this.counter.inc({ code, limited: String(retryAfterSeconds !== null) });
    if (retryAfterSeconds === null) return null;
    return new IssuerError(
      'RATE_LIMITED',
      'Too many requests with unknown license keys, activation codes or API tokens came from this address: ' +
        'wait and check what you send.',
      { retryAfterSeconds },
    );
  }
}
