import { Injectable } from '@nestjs/common';
import { trustedUntil } from '../domain/key-trust.js';
import { unpublishAt, maySignFrom } from '../domain/plan-key-rotation.js';
import { Database } from '../database/database.js';
import { type FetchedBy, KeySetFetchRepository } from './key-set-fetch.repository.js';
import { KeyPlan } from './key-plan.js';
import { ALL_ACKNOWLEDGED, type Replica, type NotAcknowledgedBy } from './replica.repository.js';
import { Replicas } from './replicas.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRepository } from './signing-key.repository.js';

/** One key, and what is planned for it. Past instants are in the row. */
export interface TimelineKey {
  readonly row: SigningKeyEntity;
  /** When it may begin to sign at the earliest; only a next key has this. */
  readonly maySignFrom: Date | null;
  readonly planned: {
    readonly signsFrom: Date | null;
    readonly retiredAt: Date | null;
    /** Only of a retired key: before, the expiry of its last token is unknown. */
    readonly unpublishedAt: Date | null;
  };
  /** The number of live replicas that sign with it, and that publish it. */
  readonly signingReplicas: number;
  readonly publishingReplicas: number;
  /** Replicas that do not publish it yet. For an unpublished key: that may still publish it. */
  readonly notAcknowledgedBy: NotAcknowledgedBy;
  /** Until when validators may trust a revoked key; null while that is unknown. */
  readonly trustedUntil: Date | null;
  readonly fetchedBy: FetchedBy;
}

export interface Timeline {
  readonly keys: readonly TimelineKey[];
  readonly replicas: number;
}

const NOBODY: FetchedBy = { fetches: 0, clients: 0, latest: [] };

/** The past and the planned steps of every key, the oldest key first. */
@Injectable()
export class KeyTimeline {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly replicas: Replicas,
    private readonly plan: KeyPlan,
    private readonly fetches: KeySetFetchRepository,
  ) {}

  async read(): Promise<Timeline> {
    const { manager } = this.database;
    const [rows, alive] = [await this.keys.all(manager), await this.replicas.alive(manager)];
    const wanted = rows.map(({ kid, unpublishedAt }) => ({ kid, published: !unpublishedAt }));
    const notAcknowledged = await this.replicas.notAcknowledgedByKid(manager, wanted);
    const switchAt = this.plannedSwitch(rows);
    const fetches = await this.fetches.ofKeys(
      manager,
      rows.map(({ kid }) => kid),
    );
    return {
      keys: rows.map((row) => ({
        ...this.timelineOf(row, switchAt, alive),
        ...this.acknowledgementOf(row, notAcknowledged.get(row.kid) ?? ALL_ACKNOWLEDGED),
        fetchedBy: fetches.get(row.kid) ?? NOBODY,
      })),
      replicas: alive.length,
    };
  }

  private timelineOf(
    row: SigningKeyEntity,
    switchAt: Date | null,
    alive: readonly Replica[],
  ): Omit<TimelineKey, 'fetchedBy' | 'notAcknowledgedBy' | 'trustedUntil'> {
    const { policy } = this.plan;
    return {
      row,
      maySignFrom: row.phase === 'next' ? maySignFrom(row, policy) : null,
      planned: {
        signsFrom: row.phase === 'next' ? switchAt : null,
        retiredAt: row.phase === 'current' ? switchAt : null,
        unpublishedAt: unpublishAt(row, policy),
      },
      signingReplicas: alive.filter(({ signsWith }) => signsWith === row.kid).length,
      publishingReplicas: alive.filter(({ publishes }) => publishes.includes(row.kid)).length,
    };
  }

  private acknowledgementOf(
    row: SigningKeyEntity,
    notAcknowledgedBy: NotAcknowledgedBy,
  ): Pick<TimelineKey, 'notAcknowledgedBy' | 'trustedUntil'> {
    const until = trustedUntil(row, notAcknowledgedBy.total, this.plan.policy);
    return { notAcknowledgedBy, trustedUntil: until };
  }

  private plannedSwitch(rows: readonly SigningKeyEntity[]): Date | null {
    return this.plan.of(rows).find(({ step }) => step.step === 'switch')?.dueAt ?? null;
  }
}
