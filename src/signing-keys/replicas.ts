import { hostname } from 'node:os';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { newId } from '../platform/new-id.js';
import { waitAtMost } from '../platform/wait-at-most.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import {
  type Heard,
  type ListedReplica,
  ALL_ACKNOWLEDGED,
  type Replica,
  ReplicaRepository,
  type NotAcknowledgedBy,
  type WantedKey,
} from './replica.repository.js';

/** Replicas acknowledge every ten seconds. A replica that is silent for longer is cut off or has ended. */
const SILENT_AFTER_MS = 60_000;
/** How long a silent replica counts. */
const KEPT_MS = 86_400_000;
/** How long a stop waits for the removal of the row. */
const REMOVAL_MS = 1000;

/** Changes of the published keys that this process has not acknowledged yet. */
interface Unacknowledged {
  readonly at: Date;
  readonly began: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
}

/** The processes that share the database, and the keys that each of them has acknowledged. */
@Injectable()
export class Replicas implements OnApplicationShutdown {
  /** Of this process; every start has a new id. */
  readonly id: string;
  private readonly startedAt: Date;
  private published: ReadonlySet<string> | null = null;
  private unacknowledged: Unacknowledged | null = null;
  private hasRow = false;
  private stopping = false;

  constructor(
    private readonly database: Database,
    private readonly replicas: ReplicaRepository,
    private readonly clock: Clock,
  ) {
    this.startedAt = clock.now();
    this.id = newId(this.startedAt);
  }

  /** From now on, this process publishes these keys. @returns now */
  publish(kids: readonly string[]): Date {
    const now = this.clock.now();
    if (this.published) {
      // A new object each time: `markChanges` may be writing the old one.
      const [began, ended] = [this.unacknowledged?.began ?? [], this.unacknowledged?.ended ?? []];
      const changes = { at: now, began: new Set(began), ended: new Set(ended) };
      for (const kid of kids) if (!this.published.has(kid)) changes.began.add(kid);
      for (const kid of this.published) if (!kids.includes(kid)) changes.ended.add(kid);
      if (changes.began.size + changes.ended.size > 0) this.unacknowledged = changes;
    }
    this.published = new Set(kids);
    return now;
  }

  /** From now on, this process signs only with `signsWith`. */
  async acknowledge(manager: EntityManager, signsWith: string | null): Promise<void> {
    if (this.published === null || this.stopping) return;
    const publishes = [...this.published];
    // Before the row: a reader that sees a key in the row must also see since when it is published.
    await this.markChanges(manager);
    const [hostName, processId] = [hostname(), process.pid];
    const { id, startedAt } = this;
    const seenAt = this.clock.now();
    const row = { id, hostName, processId, startedAt, seenAt, signsWith, publishes };
    await this.replicas.acknowledge(manager, row);
    this.hasRow = true;
    // With a wrong clock, the other replicas would look silent.
    if (this.clock.isSettled()) await this.replicas.removeSilent(manager, this.kept(), seenAt);
    // If the stop began while the row was written, its removal may have come first.
    if (this.isStopping()) await this.replicas.remove(manager, id, this.clock.now());
  }

  /** The replicas that acknowledged their keys within the last minute. */
  async alive(manager: EntityManager): Promise<Replica[]> {
    const { until } = this.kept();
    return this.replicas.heardOf(manager, { since: this.silentBefore(), until });
  }

  async list(page: PageRequest): Promise<Page<ListedReplica>> {
    return pageOf(await this.replicas.list(this.database.manager, page), page);
  }

  isAlive({ seenAt }: Pick<Replica, 'seenAt'>): boolean {
    return seenAt >= this.silentBefore();
  }

  /** The replicas that have not acknowledged the wanted state of a key, by kid. */
  async notAcknowledgedByKid(
    manager: EntityManager,
    wanted: readonly WantedKey[],
  ): Promise<ReadonlyMap<string, NotAcknowledgedBy>> {
    return this.replicas.notAcknowledgedByKid(manager, wanted, this.kept());
  }

  async notAcknowledgedBy(manager: EntityManager, wanted: WantedKey): Promise<NotAcknowledgedBy> {
    const byKid = await this.notAcknowledgedByKid(manager, [wanted]);
    return byKid.get(wanted.kid) ?? ALL_ACKNOWLEDGED;
  }

  /** Of the replicas that have not acknowledged the key: those that are silent for a minute. */
  async silentNotAcknowledgedBy(
    manager: EntityManager,
    wanted: WantedKey,
  ): Promise<NotAcknowledgedBy> {
    const heard = { since: this.kept().since, until: this.silentBefore() };
    const byKid = await this.replicas.notAcknowledgedByKid(manager, [wanted], heard);
    return byKid.get(wanted.kid) ?? ALL_ACKNOWLEDGED;
  }

  /** How many replicas may still publish a revoked key. */
  async countPublishingRevoked(manager: EntityManager): Promise<number> {
    return this.replicas.countPublishingRevoked(manager, this.kept());
  }

  /**
   * Removes a replica that has ended. A switch then waits for its validators only. A replica that is alive
   * comes back with its next acknowledgement.
   * @returns the removed row; null without one
   */
  async remove(id: string): Promise<Replica | null> {
    const now = this.clock.now();
    return this.database.transaction((manager) => this.replicas.remove(manager, id, now));
  }

  /**
   * Removes the row of this process after its last answer. Until then, the process publishes its keys.
   */
  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    if (!this.hasRow) return;
    await waitAtMost(REMOVAL_MS, this.remove(this.id));
  }

  private async markChanges(manager: EntityManager): Promise<void> {
    const changes = this.unacknowledged;
    if (!changes) return;
    const { at, began, ended } = changes;
    await this.replicas.markPublishedLate(manager, [...began], at);
    await this.replicas.markUnpublishedLate(manager, [...ended], at);
    if (this.unacknowledged === changes) this.unacknowledged = null;
  }

  private isStopping(): boolean {
    return this.stopping;
  }

  private silentBefore(): Date {
    return new Date(this.clock.now().getTime() - SILENT_AFTER_MS);
  }

  /** A row from the far future comes from a replica with a wrong clock, and is removed too. */
  private kept(): Heard {
    const now = this.clock.now().getTime();
    return { since: new Date(now - KEPT_MS), until: new Date(now + KEPT_MS) };
  }
}
