import { isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';

/** Failures that an address may have at once, and how fast they are forgotten. */
const BURST = 100;
const FORGOTTEN_PER_SECOND = 1;
const MAX_ADDRESSES = 10_000;

interface Bucket {
  failures: number;
  at: number;
}

/**
 * Counts look-ups of unknown keys by address, as a leaky bucket. Only such look-ups are limited: a
 * sync that succeeds never is, whoever else shares its address.
 */
@Injectable()
export class FailedLookUps {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly clock: Clock) {}

  /** Counts one failure. @returns seconds to wait when the address has had too many, else null */
  count(address: string): number | null {
    const now = this.clock.now().getTime() / 1000;
    const network = networkOf(address);
    const bucket = this.buckets.get(network) ?? { failures: 0, at: now };
    const elapsed = Math.max(0, now - bucket.at);
    const failures = Math.max(0, bucket.failures - elapsed * FORGOTTEN_PER_SECOND) + 1;
    // Deleting first moves the address to the end, so the map stays in order of last use.
    this.buckets.delete(network);
    const held = Math.min(failures, BURST + 1);
    this.buckets.set(network, { failures: held, at: now });
    if (this.buckets.size > MAX_ADDRESSES) this.forgetOldest();
    // The next failure has to fit by then, not only those that were counted.
    return failures > BURST ? Math.ceil((held + 1 - BURST) / FORGOTTEN_PER_SECOND) : null;
  }

  private forgetOldest(): void {
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}

/** One customer has a whole /64 of IPv6: it counts as one address. */
function networkOf(address: string): string {
  // An IPv4 address in the clothes of IPv6 stays whole: all of those share one /64.
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail = ''] = address.split('::');
  const [before, after] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}

function groupsOf(part: string): string[] {
  return part === '' ? [] : part.split(':');
}
