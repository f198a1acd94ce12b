import { Inject, Injectable } from '@nestjs/common';
import { holdsSignerUntil, keptKeySetFault } from '../domain/kept-key-set.js';
import {
  type KeyPolicy,
  keyPolicyOf,
  keyToAcknowledge,
  type PlannedStep,
  planKeyRotation,
  type RotationState,
  rotationState,
} from '../domain/plan-key-rotation.js';
import { type KeySetDocument, keySetFaults } from '../domain/published-document.js';
import { Database } from '../database/database.js';
import { databaseAway, isDatabaseAway } from '../database/away.js';
import { IssuerError } from '../platform/issuer-error.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SharedRun } from '../database/shared-run.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { KeptKeys } from './kept-keys.js';
import { ALL_ACKNOWLEDGED, type NotAcknowledgedBy } from './replica.repository.js';
import { Replicas } from './replicas.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import type { SigningKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';
import { KeysSetBackError, UnpublishedKeys } from './unpublished-keys.js';

const RETRY_AFTER_SECONDS = 2;

/**
 * The keys that this replica signs with and publishes, in memory. It publishes them even without the
 * database.
 */
@Injectable()
export class SigningKeys {
  private signing: SigningKey | null = null;
  private document: KeySetDocument | null = null;
  private rows: readonly SigningKeyEntity[] = [];
  private readonly kept: KeptKeys;
  private readonly unpublished: UnpublishedKeys;
  private setBackKids: readonly string[] = [];
  private readAt: Date | null = null;
  private nextNotAcknowledgedBy = ALL_ACKNOWLEDGED;
  private publishingRevoked = 0;
  private readonly unreadAfterMs: number;
  private readonly policy: KeyPolicy;
  private readonly reading = new SharedRun(() => this.read());

  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly replicas: Replicas,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {
    this.kept = new KeptKeys(config.dataDir, logger);
    this.unpublished = new UnpublishedKeys(config.dataDir, logger);
    this.policy = keyPolicyOf(config);
    this.unreadAfterMs = config.keysUnreadWarningSeconds * 1000;
  }

  /** The key that signs. @throws {IssuerError} UNAVAILABLE without a usable key */
  current(): SigningKey {
    if (this.signing) return this.signing;
    throw this.rows.length > 0 || this.setBackKids.length > 0 ? keysUnavailable() : databaseAway();
  }

  /** The key set that validators fetch; null only before the listener opens. */
  published(): KeySetDocument | null {
    return this.document;
  }

  /** The published rows as they were last read. */
  timeline(): readonly SigningKeyEntity[] {
    return this.rows;
  }

  /** Unpublished keys that the database publishes again. While there is one, no key signs. */
  setBack(): readonly string[] {
    return this.setBackKids;
  }

  /** When the published keys were last read from the database, by this process or an earlier one. */
  lastReadAt(): Date | null {
    return this.readAt;
  }

  /** Whether the last read is older than KEYS_UNREAD_WARNING_SECONDS. */
  isUnread(now: Date): boolean {
    return this.readAt !== null && now.getTime() - this.readAt.getTime() > this.unreadAfterMs;
  }

  /** The replicas that a due switch waits for, as far as this replica knows. */
  switchNotAcknowledgedBy(now: Date): NotAcknowledgedBy {
    const next = this.nextStep(now);
    const isDue = next !== null && next.dueAt <= now && keyToAcknowledge(next.step) !== null;
    return isDue ? this.nextNotAcknowledgedBy : ALL_ACKNOWLEDGED;
  }

  /** How many replicas may still publish a revoked key, as far as this replica knows. */
  replicasPublishingRevokedKeys(): number {
    return this.publishingRevoked;
  }

  /** Whether DATA_DIR holds the published and the unpublished keys, for a start without the database. */
  areKept(): boolean {
    return this.kept.isCurrent && this.unpublished.isKept;
  }

  /** The next step of the plan; null before the keys were read. */
  nextStep(now: Date): PlannedStep | null {
    if (this.rows.length === 0) return null;
    return planKeyRotation(this.rows, this.policy, now)[0] ?? null;
  }

  rotationState(now: Date): RotationState {
    return rotationState(this.nextStep(now), now, this.switchNotAcknowledgedBy(now).total);
  }

  /** When the published key set changes next: each step of the plan changes it. */
  nextChangeAt(now: Date): Date | null {
    return this.nextStep(now)?.dueAt ?? null;
  }

  /**
   * Reads the keys, takes them over, and acknowledges them. A call during a read starts another read
   * after it, so the newest keys always win.
   * @throws {UnsealError} with a wrong key-encryption key; the published keys are taken over even then
   * @throws {KeysSetBackError} when an unpublished key is in use again; no key is taken over
   */
  async refresh(): Promise<void> {
    return this.reading.run();
  }

  private async read(): Promise<void> {
    await this.kept.retry();
    if (!this.unpublished.isKept) await this.unpublished.add([]);
    try {
      await this.takeOver();
    } catch (error) {
      // Other replicas must know which keys this one publishes, even while it cannot sign.
      if (!isDatabaseAway(error)) await this.acknowledge().catch(() => undefined);
      throw error;
    }
    await this.acknowledge();
    await this.readAcknowledgements();
  }

  private async acknowledge(): Promise<void> {
    await this.replicas.acknowledge(this.database.manager, this.signing?.kid ?? null);
  }

  private async readAcknowledgements(): Promise<void> {
    const { manager } = this.database;
    const next = this.rows.find(({ phase }) => phase === 'next');
    this.nextNotAcknowledgedBy = next
      ? await this.replicas.notAcknowledgedBy(manager, { kid: next.kid, published: true })
      : ALL_ACKNOWLEDGED;
    this.publishingRevoked = await this.replicas.countPublishingRevoked(manager);
  }

  private async takeOver(): Promise<void> {
    const rows = await this.keys.published(this.database.manager);
    if (rows.length === 0) throw new Error('the database has no signing key');
    const document = { keys: rows.map(({ publicJwk }) => publicJwk) };
    requirePublishable(document);
    await this.requireNoneSetBack(rows);
    this.rows = rows;
    await this.publish(document);
    const current = rows.find(({ phase }) => phase === 'current');
    if (this.signing?.kid !== current?.kid) {
      // Stop signing with the old key first, even if the new one cannot be opened.
      this.signing = null;
      if (current) this.signing = this.keys.open(current);
    }
  }

  /**
   * A database that was restored from a backup may contain the private halves of unpublished keys again.
   * Such a key must not sign, and the published key set stays as it is.
   */
  private async requireNoneSetBack(rows: readonly SigningKeyEntity[]): Promise<void> {
    await this.unpublished.load();
    const kids = new Set(rows.map(({ kid }) => kid));
    this.setBackKids = [...kids].filter((kid) => this.unpublished.has(kid));
    if (this.setBackKids.length > 0) {
      this.signing = null;
      throw new KeysSetBackError(this.setBackKids);
    }
    const gone = this.rows.filter(({ kid }) => !kids.has(kid));
    const unchanged = this.rows.length === rows.length && gone.length === 0;
    const unpublished = unchanged ? [] : await this.keys.unpublished(this.database.manager);
    const keys = [...unpublished, ...gone].map(({ kid, unpublishedAt }) => ({
      kid,
      unpublishedAt: unpublishedAt?.toISOString() ?? null,
    }));
    await this.unpublished.add(keys);
  }

  /**
   * Publishes the kept keys, unless newer keys are published. Outdated kept keys are not published, because
   * validators would cache them for a day.
   * @returns whether any keys are published
   */
  async publishKept(now: Date): Promise<boolean> {
    await this.unpublished.load();
    const kept = await this.kept.read();
    if (this.document !== null) return true;
    if (kept === null) return false;
    const isUnpublished = (kid: string) => this.unpublished.has(kid);
    const hasOtherReplicas = !this.config.embedded;
    const fault = keptKeySetFault({ ...kept.published, isUnpublished, hasOtherReplicas }, now);
    if (fault !== null) {
      this.logger.error(`the kept keys are not published: ${fault}`);
      return false;
    }
    const { document } = kept.published;
    this.document = document;
    this.replicas.publish(kidsOf(document));
    this.readAt = kept.readAt;
    this.logger.info({ readAt: kept.readAt }, 'the kept keys are published');
    return true;
  }

  private async publish(document: KeySetDocument): Promise<void> {
    this.document = document;
    this.readAt = this.replicas.publish(kidsOf(document));
    const until = holdsSignerUntil(this.rows, this.policy);
    await this.kept.keep({ document, holdsSignerUntil: until }, this.readAt);
  }
}

function requirePublishable(document: KeySetDocument): void {
  const faults = keySetFaults(document);
  if (faults.length > 0) {
    throw new Error(
      `this key set would break validators and is not published: ${faults.join('; ')}`,
    );
  }
}

function kidsOf({ keys }: KeySetDocument): string[] {
  return keys.map(({ kid }) => kid);
}

/** For an HSM that does not answer, for keys that are changing, and for keys that must not sign. */
export function keysUnavailable(cause?: Error): IssuerError {
  const detail = 'The signing keys cannot be used right now: try again shortly.';
  return new IssuerError('UNAVAILABLE', detail, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}
