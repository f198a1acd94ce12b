import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { type DatabaseState, DatabaseWatch } from '../database/state.js';
import type { ClockVerdict } from '../domain/clock-verdict.js';
import type { RotationState } from '../domain/plan-key-rotation.js';
import type { MissingName } from '../entitlements/find-missing-names.js';
import { MissingNames } from '../entitlements/missing-names.js';
import { ClockWatch } from '../signing-keys/clock-watch.js';
import { proveSignature } from '../signing-keys/signing-key.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';

export interface ReadinessReport {
  readonly status: 'ready' | 'starting';
  readonly checks: {
    readonly keys: 'published' | 'missing';
    readonly signature: 'verified' | 'unproven';
    readonly schema: 'current' | 'unknown';
    /** Tokens are issued only while it is `up` or `slow`. The replica stays ready in any state. */
    readonly database: DatabaseState;
    /** `overdue`: the next step of the keys is late. `waiting`: it waits for replicas. The replica stays ready. */
    readonly rotation: RotationState;
    /** `set_back`: the database uses unpublished keys again, so nothing is issued. */
    readonly key_history: 'kept' | 'set_back';
    /** The last read of the keys is older than KEYS_UNREAD_WARNING_SECONDS: they may be outdated. */
    readonly keys_unread: boolean;
    /** `outdated`: DATA_DIR cannot be written, so a start without the database would use old keys. */
    readonly kept_keys: 'current' | 'outdated';
    /** `incomplete`: records use names that it does not have. The replica stays ready. */
    readonly catalog: 'complete' | 'incomplete' | 'unknown';
    /** Not `right`: far off the newest instants in the database. The replica stays ready. */
    readonly clock: ClockVerdict;
  };
  /** What the database says about the clock; null while it looks right. */
  readonly clock: {
    readonly newest_at: Date;
    readonly keys_of_the_future: readonly string[];
    readonly remedy: string;
  } | null;
  /** Add-ons and plans that records use, and that the catalog does not have. */
  readonly missing_from_catalog: readonly MissingName[];
  /** When the published keys were last read from the database, by this process or an earlier one. */
  readonly keys_read_at: Date | null;
  /** Why the database cannot be used yet, with path and remedy; null once it can. */
  readonly start: { readonly obstacle: string } | null;
  /** The next step of the keys; null before the keys were read. */
  readonly next_key_step: {
    readonly step: string;
    readonly due_at: Date;
    /** How many replicas the step waits for, and the ids of the first ten. */
    readonly not_acknowledged_by: { readonly total: number; readonly replicas: readonly string[] };
  } | null;
}

/**
 * The service is ready once the schema of the database is current and a trial signature was verified with
 * the published key. It stays ready while it can publish keys, because validators need them.
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
    private readonly missingNames: MissingNames,
    private readonly clockWatch: ClockWatch,
  ) {}

  markSchemaCurrent(): void {
    this.schemaCurrent = true;
  }

  /** @param obstacle one line without secrets, or null once tokens can be issued */
  markObstacle(obstacle: string | null): void {
    this.obstacle = obstacle;
  }

  /** Proves that validators can verify the signatures of the current key. */
  async proveSignature(): Promise<void> {
    const key = this.signingKeys.current();
    const published = this.signingKeys.published()?.keys.find(({ kid }) => kid === key.kid);
    if (!published) throw new Error('the signing key is not among the published keys');
    await proveSignature(key, published);
    this.signatureVerified = true;
  }

  async report(): Promise<ReadinessReport> {
    const now = this.clock.now();
    const clock = this.clockWatch.report();
    const next = this.signingKeys.nextStep(now);
    const { total, named } = this.signingKeys.switchNotAcknowledgedBy(now);
    const missing = this.missingNames.current();
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
        rotation: this.signingKeys.rotationState(now),
        key_history: this.signingKeys.setBack().length === 0 ? 'kept' : 'set_back',
        keys_unread: this.signingKeys.isUnread(now),
        kept_keys: this.signingKeys.areKept() ? 'current' : 'outdated',
        catalog: missing === null ? 'unknown' : missing.length === 0 ? 'complete' : 'incomplete',
        clock: clock?.verdict ?? 'right',
      },
      clock: clock && {
        newest_at: clock.newestAt,
        keys_of_the_future: clock.keysOfTheFuture,
        remedy: clock.remedy,
      },
      missing_from_catalog: missing ?? [],
      keys_read_at: this.signingKeys.lastReadAt(),
      next_key_step: next && {
        step: next.step.step,
        due_at: next.dueAt,
        not_acknowledged_by: { total, replicas: named.map(({ id }) => id) },
      },
      start: this.obstacle === null ? null : { obstacle: this.obstacle },
    };
  }
}
