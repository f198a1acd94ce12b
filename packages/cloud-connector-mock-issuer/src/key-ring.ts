import type { Now } from './clock.js';
import { MockKey, type PrivateJwk, type PublicJwk } from './mock-key.js';

export interface RotationPolicy {
  /** How long a key signs; 0: until `rotate` is called. */
  readonly rotateSeconds: number;
  /** How long a token lives: a key stays published until the last token that it signed is dead. */
  readonly tokenTtlSeconds: number;
  /**
   * For how long a key signs before it is published. 0 is proper: a key is then announced for a
   * whole turn before it signs. Anything else is the mistake that backends must survive.
   */
  readonly publishLateSeconds: number;
}

/** A number for the phase of a key: below the current one it is retired, above it, announced. */
type Generation = number;

const UNPUBLISHED = 2;
/** At the start one key has already retired. */
const FIRST = -1;

/**
 * Keys that take turns. Each has a number; the current one signs. One turn before, a key is
 * announced; afterwards it stays published while its tokens live.
 */
export class KeyRing {
  private readonly keys = new Map<Generation, Promise<MockKey>>();
  private current: Generation = 0;
  private switchedAt: Date;

  private constructor(
    private readonly policy: RotationPolicy,
    private readonly now: Now,
    private readonly first: Generation,
  ) {
    this.switchedAt = now();
  }

  /** @param kept private halves of an earlier run, oldest first: what a cache of then still knows */
  static async start(policy: RotationPolicy, now: Now, kept: readonly PrivateJwk[] = []) {
    // The last two that were kept were announced and made, but had not signed.
    const first = kept.length === 0 ? FIRST : UNPUBLISHED + 1 - kept.length;
    const ring = new KeyRing(policy, now, first);
    kept.forEach((jwk, at) => ring.keys.set(first + at, MockKey.fromJwk(jwk)));
    await Promise.all(ring.generations(UNPUBLISHED).map(async (it) => ring.key(it)));
    return ring;
  }

  /** The key that signs now. */
  async signing(): Promise<MockKey> {
    this.advance();
    return this.key(this.current);
  }

  /** The key that signed before; still published. */
  async previous(): Promise<MockKey> {
    this.advance();
    return this.key(this.current - 1);
  }

  /** A key that is not announced yet. */
  async unpublished(): Promise<MockKey> {
    this.advance();
    return this.key(this.current + UNPUBLISHED);
  }

  /** What the key set holds, the oldest key first. */
  async published(): Promise<PublicJwk[]> {
    this.advance();
    const age = this.now().getTime() - this.switchedAt.getTime();
    const isLate = this.policy.publishLateSeconds > 0;
    const hidden = isLate && age < this.policy.publishLateSeconds * 1000;
    const newest = isLate ? (hidden ? -1 : 0) : 1;
    const keys = await Promise.all(this.generations(newest).map(async (it) => this.key(it)));
    return keys.map(({ publicJwk }) => publicJwk);
  }

  /** The next key signs from now on. */
  rotate(): void {
    this.advance();
    this.switchTo(this.current + 1, this.now());
  }

  /** Whole seconds until the key set changes; null when it will not by itself. */
  secondsToChange(): number | null {
    this.advance();
    if (this.policy.rotateSeconds === 0) return null;
    const age = (this.now().getTime() - this.switchedAt.getTime()) / 1000;
    return Math.max(0, Math.floor(this.policy.rotateSeconds - age));
  }

  /** The private halves, for the next run. */
  async kept(): Promise<PrivateJwk[]> {
    const keys = this.generations(UNPUBLISHED).map(async (it) => this.key(it));
    return (await Promise.all(keys)).map((key) => key.privateJwk());
  }

  private advance(): void {
    const turnMs = this.policy.rotateSeconds * 1000;
    if (turnMs === 0) return;
    const turns = Math.floor((this.now().getTime() - this.switchedAt.getTime()) / turnMs);
    if (turns < 1) return;
    this.switchTo(this.current + turns, new Date(this.switchedAt.getTime() + turns * turnMs));
  }

  private switchTo(generation: Generation, at: Date): void {
    this.current = generation;
    this.switchedAt = at;
    for (const known of this.keys.keys()) {
      if (known < generation - this.retainedTurns()) this.keys.delete(known);
    }
    // Made before it is needed: a key set that is late would be a fault of another kind. A failure comes
    // again to whoever needs the key.
    this.key(generation + UNPUBLISHED).catch(() => undefined);
  }

  private retainedTurns(): number {
    const { rotateSeconds, tokenTtlSeconds } = this.policy;
    return rotateSeconds === 0 ? 1 : Math.max(1, Math.ceil(tokenTtlSeconds / rotateSeconds));
  }

  /** From the oldest that is published to the one so many turns ahead. */
  private generations(ahead: number): Generation[] {
    const oldest = Math.max(this.first, this.current - this.retainedTurns());
    return Array.from({ length: this.current + ahead - oldest + 1 }, (_, at) => oldest + at);
  }

  private key(generation: Generation): Promise<MockKey> {
    const known = this.keys.get(generation);
    if (known) return known;
    const made = MockKey.generate();
    this.keys.set(generation, made);
    return made;
  }
}
