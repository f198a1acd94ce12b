import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { type DatabaseState, DatabaseWatch } from '../database/state.js';
import { proveSignature } from '../signing-keys/prove-signature.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { type RotationState, rotationState } from '../signing-keys/rotation-state.js';

export interface ReadinessReport {
  readonly status: 'ready' | 'starting';
  readonly checks: {
    readonly keys: 'published' | 'missing';
    readonly signature: 'verified' | 'unproven';
    readonly schema: 'current' | 'unknown';
    /** Anything but `up` and `slow` keeps tokens from being issued. No reason to pull a replica. */
    readonly database: DatabaseState;
    /**
     * `overdue`: a step of the keys' lifecycle should have been taken; `waiting`: it waits for replicas
     * that do not publish the next key. No reason to pull a replica.
     */
    readonly rotation: RotationState;
    /** `set_back`: the database has keys again that were forgotten or revoked, and nothing is issued. */
    readonly key_history: 'kept' | 'set_back';
    /** `late`: the keys were not read for longer than KEYS_UNREAD_WARNING_SECONDS, and may be old. */
    readonly keys_read: 'recent' | 'late' | 'unknown';
    /** `outdated`: DATA_DIR could not be written, and a start without the database would go by old keys. */
    readonly kept_keys: 'current' | 'outdated';
  };
  /** When the published keys were last read from the database; by the last run after such a start. */
  readonly keys_read_at: Date | null;
  /** What keeps the database from being brought up, with path and remedy; null once it was. */
  readonly start: { readonly obstacle: string } | null;
  /** The next step of the keys' lifecycle; null before they are known. */
  readonly next_key_step: {
    readonly step: string;
    readonly due_at: Date;
    /** How many replicas it waits for, and the ids of the first ten. */
    readonly waits_for: { readonly total: number; readonly replicas: readonly string[] };
  } | null;
}

/**
 * Ready means: the database was brought up once, its schema is current, and a trial signature was
 * verified with a key as it is published. From then on only the keys count: validators must reach them whatever else is down.
 */
@Injectable()
export class Readiness {
  private schemaCurrent = false;
  private signatureVerified = false;
  private obstacle: string | null = 'the database is being brought up';

  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly database: DatabaseWatch,
    private readonly clock: Clock,
  ) {}

  markSchemaCurrent(): void {
    this.schemaCurrent = true;
  }

  /** @param obstacle one line without secrets, or null once tokens can be issued */
  markObstacle(obstacle: string | null): void {
    this.obstacle = obstacle;
  }

  /** Proves that the key that signs is the one that validators are given. */
  async proveSignature(): Promise<void> {
    const key = this.signingKeys.current();
    const published = this.signingKeys.published()?.keys.find(({ kid }) => kid === key.kid);
    if (!published) throw new Error('the signing key is not among the published keys');
    await proveSignature(key, published);
    this.signatureVerified = true;
  }

  async report(): Promise<ReadinessReport> {
    const now = this.clock.now();
    const next = this.signingKeys.nextStep(now);
    const waitsFor = this.signingKeys.switchWaitsFor(now);
    const keysPublished = this.signingKeys.published() !== null;
    const proven = this.signatureVerified && this.schemaCurrent && this.obstacle === null;
    const ready = keysPublished && proven;
    return {
      status: ready ? 'ready' : 'starting',
      checks: {
        keys: keysPublished ? 'published' : 'missing',
        signature: this.signatureVerified ? 'verified' : 'unproven',
        schema: this.schemaCurrent ? 'current' : 'unknown',
        database: await this.database.state(),
        rotation: rotationState(next, now, waitsFor),
        key_history: this.signingKeys.setBack().length === 0 ? 'kept' : 'set_back',
        keys_read: this.keysRead(now),
        kept_keys: this.signingKeys.areKept() ? 'current' : 'outdated',
      },
      keys_read_at: this.signingKeys.lastReadAt(),
      next_key_step: next && {
        step: next.step.step,
        due_at: next.dueAt,
        waits_for: { total: waitsFor.total, replicas: waitsFor.named.map(({ id }) => id) },
      },
      start: this.obstacle === null ? null : { obstacle: this.obstacle },
    };
  }

  private keysRead(now: Date): ReadinessReport['checks']['keys_read'] {
    if (this.signingKeys.lastReadAt() === null) return 'unknown';
    return this.signingKeys.isUnread(now) ? 'late' : 'recent';
  }
}
