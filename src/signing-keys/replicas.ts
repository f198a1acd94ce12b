import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { newId } from '../platform/new-id.js';
import { type Page, pageOf, type PageRequest } from '../database/page.js';
import {
  type Heard,
  type ListedReplica,
  NOBODY_BEHIND,
  type Replica,
  ReplicaRepository,
  type ReplicasBehind,
  type WantedKey,
} from './replica.repository.js';

/** Replicas acknowledge every ten seconds: one that has not for as long is cut off, or has ended. */
const SILENT_AFTER_MS = 60_000;
/** How long the row of a silent replica is kept. */
const KEPT_MS = 86_400_000;
/** Of the time that a stop may take. */
const FAREWELL_MS = 1000;

/** What changed in the published keys of this process since it last acknowledged them. */
interface Unacknowledged {
  readonly at: Date;
  readonly began: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
}

/** The processes that share the database, and which keys each of them has acknowledged. */
@Injectable()
export class Replicas implements OnApplicationShutdown {
  /** Of this process: each start has a new one. */
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

  /** This process publishes these keys from now on. @returns now */
  publish(kids: readonly string[]): Date {
    const now = this.clock.now();
    if (this.published) {
      // Not changed in place: what is being noted may be taken off only as it was.
      const [began, ended] = [this.unacknowledged?.began ?? [], this.unacknowledged?.ended ?? []];
      const changes = { at: now, began: new Set(began), ended: new Set(ended) };
      for (const kid of kids) if (!this.published.has(kid)) changes.began.add(kid);
      for (const kid of this.published) if (!kids.includes(kid)) changes.ended.add(kid);
      if (changes.began.size + changes.ended.size > 0) this.unacknowledged = changes;
    }
    this.published = new Set(kids);
    return now;
  }

  /** This process signs with nothing but `signsWith` from now on: other keys are out of its memory. */
  async acknowledge(manager: EntityManager, signsWith: string | null): Promise<void> {
    if (this.published === null || this.stopping) return;
    const publishes = [...this.published];
    // Comes before the row. A reader of the row that finds a key in it also finds since when it is there.
    await this.tellChanges(manager);
    const [hostName, processId] = [hostname(), process.pid];
    const { id, startedAt } = this;
    const seenAt = this.clock.now();
    const row = { id, hostName, processId, startedAt, seenAt, signsWith, publishes };
    await this.replicas.acknowledge(manager, row);
    this.hasRow = true;
    // A clock that was set may be wrong: it must not make the others look silent.
    if (this.clock.isSettled()) await this.replicas.removeUnheard(manager, this.kept(), seenAt);
    // The stop began while the row was written, and may have come before it.
    if (this.isStopping()) await this.replicas.remove(manager, id, this.clock.now());
  }

  /** Those that were heard of within a minute. */
  async alive(manager: EntityManager): Promise<Replica[]> {
    const { until } = this.kept();
    return this.replicas.heardOf(manager, { since: this.silentBefore(), until });
  }

  /** Every one whose row is kept, the longest started first. */
  async list(page: PageRequest): Promise<Page<ListedReplica>> {
    return pageOf(await this.replicas.list(this.database.manager, page), page);
  }

  /** Whether a replica was heard of within a minute. */
  isAlive({ seenAt }: Pick<Replica, 'seenAt'>): boolean {
    return seenAt >= this.silentBefore();
  }

  /** Those whose row is kept and which have not acknowledged what is wanted, by kid. */
  async behindAll(
    manager: EntityManager,
    wanted: readonly WantedKey[],
  ): Promise<ReadonlyMap<string, ReplicasBehind>> {
    return this.replicas.behind(manager, wanted, this.kept());
  }

  async behind(manager: EntityManager, wanted: WantedKey): Promise<ReplicasBehind> {
    return (await this.behindAll(manager, [wanted])).get(wanted.kid) ?? NOBODY_BEHIND;
  }

  /** Of those that are behind, the ones that have not been heard of for a minute. */
  async silentBehind(manager: EntityManager, wanted: WantedKey): Promise<ReplicasBehind> {
    const heard = { since: this.kept().since, until: this.silentBefore() };
    const behind = await this.replicas.behind(manager, [wanted], heard);
    return behind.get(wanted.kid) ?? NOBODY_BEHIND;
  }

  /** How many may still publish a key that was revoked. */
  async publishingRevoked(manager: EntityManager): Promise<number> {
    return this.replicas.publishingRevoked(manager, this.kept());
  }

  /**
   * Nothing waits any longer for a replica that an operator knows to be dead, but for its validators. One
   * that lives comes back with its next acknowledgement.
   * @returns its row as it was; null without one
   */
  async strikeOut(id: string): Promise<Replica | null> {
    return this.replicas.remove(this.database.manager, id, this.clock.now());
  }

  /**
   * Takes the row of this process away, so that nobody waits for it. Comes after the last answer, for until
   * then it publishes its keys. Bounded: a stop must not hang.
   */
  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    if (!this.hasRow) return;
    const gone = this.strikeOut(this.id).catch(() => undefined);
    await Promise.race([gone, sleep(FAREWELL_MS, undefined, { ref: false })]);
  }

  private async tellChanges(manager: EntityManager): Promise<void> {
    const changes = this.unacknowledged;
    if (!changes) return;
    const { at, began, ended } = changes;
    await this.replicas.publishedLate(manager, [...began], at);
    await this.replicas.unpublishedLate(manager, [...ended], at);
    if (this.unacknowledged === changes) this.unacknowledged = null;
  }

  private isStopping(): boolean {
    return this.stopping;
  }

  private silentBefore(): Date {
    return new Date(this.clock.now().getTime() - SILENT_AFTER_MS);
  }

  /** A row from the future is one of a replica whose clock was wrong: it is not kept for ever. */
  private kept(): Heard {
    const now = this.clock.now().getTime();
    return { since: new Date(now - KEPT_MS), until: new Date(now + KEPT_MS) };
  }
}
