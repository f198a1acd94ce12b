import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { networkOf } from '../platform/ip-network.js';
import { IssuerError, type IssuerErrorCode } from '../platform/issuer-error.js';

/** The codes that answer a guess at a license key or an activation code. */
const FAILED: ReadonlySet<IssuerErrorCode> = new Set([
  'LICENSE_NOT_FOUND',
  'ACTIVATION_CODE_GIVEN',
  'ACTIVATION_CODE_UNKNOWN',
]);
/** The failures that an address may have at once. */
const BURST = 100;
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

/**
 * Counts look-ups of unknown keys by address, as a leaky bucket. A sync that succeeds is never limited,
 * even when others at its address guess keys.
 */
@Injectable()
export class FailedLookUps {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly clock: Clock) {}

  /** Counts one failure. @returns the seconds to wait after too many failures, else null */
  count(address: string | null): number | null {
    const now = this.clock.now().getTime() / 1000;
    const network = networkOf(address ?? '', CUSTOMER) ?? UNKNOWN;
    const bucket = this.buckets.get(network) ?? { failures: 0, at: now };
    const elapsed = Math.max(0, now - bucket.at);
    const failures = Math.max(0, bucket.failures - elapsed * FORGOTTEN_PER_SECOND) + 1;
    // Deleting first moves the address to the end, so the map stays in order of last use.
    this.buckets.delete(network);
    const held = Math.min(failures, BURST + 1);
    this.buckets.set(network, { failures: held, at: now });
    if (this.buckets.size > MAX_ADDRESSES) this.forgetOldest();
    // By then there is room for the next failure.
    return failures > BURST ? Math.ceil((held + 1 - BURST) / FORGOTTEN_PER_SECOND) : null;
  }

  /**
   * Counts the error if its code is that of a guess.
   * @returns RATE_LIMITED after too many of them, else null: the error itself is the answer
   */
  limited({ code }: IssuerError, address: string | null): IssuerError | null {
    if (!FAILED.has(code)) return null;
    const retryAfterSeconds = this.count(address);
    if (retryAfterSeconds === null) return null;
    return new IssuerError(
      'RATE_LIMITED',
      'Too many requests with unknown license keys or activation codes came from this address: ' +
        'wait and check the key.',
      { retryAfterSeconds },
    );
  }

  private forgetOldest(): void {
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}
