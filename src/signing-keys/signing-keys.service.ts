import { Inject, Injectable } from '@nestjs/common';
import { holdsSignerUntil, keptKeySetFault } from '../domain/kept-key-set.js';
import {
  type KeyPolicy,
  keyToAcknowledge,
  type PlannedStep,
  planKeyRotation,
} from '../domain/plan-key-rotation.js';
import { type KeySetDocument, keySetFaults } from '../domain/published-document.js';
import { Database } from '../database/database.js';
import { databaseAway, isDatabaseAway } from '../database/away.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SharedRun } from '../database/shared-run.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { DroppedKeys, KeysSetBackError } from './dropped-keys.js';
import { keyPolicyOf } from './key-policy.js';
import { KeptKeys } from './kept-keys.js';
import { keysAway } from './keys-away.js';
import { NOBODY_BEHIND, type ReplicasBehind } from './replica.repository.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { Replicas } from './replicas.js';
import type { SigningKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

/**
 * The keys as this replica knows them, in memory: what it signs with and what it publishes. It goes
 * on publishing whatever becomes of the database.
 */
@Injectable()
export class SigningKeys {
  private signing: SigningKey | null = null;
  private document: KeySetDocument | null = null;
  private rows: readonly SigningKeyEntity[] = [];
  private readonly kept: KeptKeys;
  private readonly dropped: DroppedKeys;
  private back: readonly string[] = [];
  private readAt: Date | null = null;
  private standbyMissing = NOBODY_BEHIND;
  private revokedPublishers = 0;
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
    this.dropped = new DroppedKeys(config.dataDir, logger);
    this.policy = keyPolicyOf(config);
    this.unreadAfterMs = config.keysUnreadWarningSeconds * 1000;
  }

  /** The key that signs. @throws {IssuerError} UNAVAILABLE before keys were read, or with none usable */
  current(): SigningKey {
    if (this.signing) return this.signing;
    throw this.rows.length > 0 || this.back.length > 0 ? keysAway() : databaseAway();
  }

  /** What validators fetch; null only before the listener opens. */
  published(): KeySetDocument | null {
    return this.document;
  }

  /** The rows as they were last read, public halves and instants. */
  timeline(): readonly SigningKeyEntity[] {
    return this.rows;
  }

  /** The keys that were forgotten or revoked and are in the database again: while any is, none signs. */
  setBack(): readonly string[] {
    return this.back;
  }

  /** When the published keys were last read from the database, by this process or the one before it. */
  lastReadAt(): Date | null {
    return this.readAt;
  }

  /** Whether that was longer ago than KEYS_UNREAD_WARNING_SECONDS. */
  isUnread(now: Date): boolean {
    return this.readAt !== null && now.getTime() - this.readAt.getTime() > this.unreadAfterMs;
  }

  /** The replicas that a switch which is due waits for, as far as this one knows. */
  switchWaitsFor(now: Date): ReplicasBehind {
    const next = this.nextStep(now);
    const isDue = next !== null && next.dueAt <= now && keyToAcknowledge(next.step) !== null;
    return isDue ? this.standbyMissing : NOBODY_BEHIND;
  }

  /** How many replicas may still publish a revoked key, as far as this one knows. */
  publishersOfRevoked(): number {
    return this.revokedPublishers;
  }

  /** Whether DATA_DIR holds what a start without the database needs: the published keys, and the dropped. */
  areKept(): boolean {
    return this.kept.isCurrent && this.dropped.isKept;
  }

  /** The next step of the keys' lifecycle, as far as this replica knows; null before it knows any. */
  nextStep(now: Date): PlannedStep | null {
    if (this.rows.length === 0) return null;
    return planKeyRotation(this.rows, this.policy, now)[0] ?? null;
  }

  /** When the published key set will change next; each step of the plan changes it. */
  nextChangeAt(now: Date): Date | null {
    return this.nextStep(now)?.dueAt ?? null;
  }

  /**
   * Reads the keys, takes them over, and acknowledges them. Whoever asks while the keys are being
   * read gets a reading of its own, so that an older one never comes last.
   * @throws {UnsealError} with a wrong key-encryption key; the published keys are taken over then too
   * @throws {KeysSetBackError} when a key is back that was forgotten or revoked; nothing is taken over
   */
  async refresh(): Promise<void> {
    return this.reading.run();
  }

  private async read(): Promise<void> {
    await this.kept.tryAgain();
    if (!this.dropped.isKept) await this.dropped.add([]);
    try {
      await this.takeOver();
    } catch (error) {
      // The others must know what this replica publishes, also while it cannot sign.
      if (!isDatabaseAway(error)) await this.acknowledge().catch(() => undefined);
      throw error;
    }
    await this.acknowledge();
    await this.lookAtOthers();
  }

  private async acknowledge(): Promise<void> {
    await this.replicas.acknowledge(this.database.manager, this.signing?.kid ?? null);
  }

  private async lookAtOthers(): Promise<void> {
    const { manager } = this.database;
    const next = this.rows.find(({ phase }) => phase === 'next');
    this.standbyMissing = next
      ? await this.replicas.behind(manager, { kid: next.kid, published: true })
      : NOBODY_BEHIND;
    this.revokedPublishers = await this.replicas.publishingRevoked(manager);
  }

  private async takeOver(): Promise<void> {
    const rows = await this.keys.published(this.database.manager);
    if (rows.length === 0) throw new Error('the database has no signing key');
    const document = { keys: rows.map(({ publicJwk }) => publicJwk) };
    requirePublishable(document);
    await this.requireNoneBack(rows);
    this.rows = rows;
    await this.publish(document);
    const current = rows.find(({ phase }) => phase === 'current');
    if (this.signing?.kid !== current?.kid) {
      // First out with the old one: whatever comes of the new one, it signs no more.
      this.signing = null;
      if (current) this.signing = this.keys.open(current);
    }
  }

  /**
   * A database that was set back, to a backup say, has keys again that were forgotten or revoked, with
   * their private halves. They are not signed with, and what was published before stays.
   */
  private async requireNoneBack(rows: readonly SigningKeyEntity[]): Promise<void> {
    await this.dropped.load();
    const kids = new Set(rows.map(({ kid }) => kid));
    this.back = [...kids].filter((kid) => this.dropped.has(kid));
    if (this.back.length > 0) {
      this.signing = null;
      throw new KeysSetBackError(this.back);
    }
    const gone = this.rows.filter(({ kid }) => !kids.has(kid));
    const unchanged = this.rows.length === rows.length && gone.length === 0;
    const forgotten = unchanged ? [] : await this.keys.forgotten(this.database.manager);
    const dropped = [...forgotten, ...gone].map(({ kid, unpublishedAt }) => ({
      kid,
      droppedAt: unpublishedAt?.toISOString() ?? null,
    }));
    await this.dropped.add(dropped);
  }

  /**
   * Publishes what was published last, unless something newer is. A set that is known to be out of date
   * is not published: validators would keep it for a day.
   * @returns whether anything is published
   */
  async publishKept(now: Date): Promise<boolean> {
    await this.dropped.load();
    const kept = await this.kept.ofLastRun();
    if (this.document !== null) return true;
    if (kept === null) return false;
    const isDropped = (kid: string) => this.dropped.has(kid);
    const hasOtherReplicas = !this.config.embedded;
    const fault = keptKeySetFault({ ...kept.published, isDropped, hasOtherReplicas }, now);
    if (fault !== null) {
      this.logger.error(`the keys of the last run are not published: ${fault}`);
      return false;
    }
    const { document } = kept.published;
    this.document = document;
    this.replicas.publish(kidsOf(document));
    this.readAt = kept.readAt;
    this.logger.info({ readAt: kept.readAt }, 'the keys of the last run are published');
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
