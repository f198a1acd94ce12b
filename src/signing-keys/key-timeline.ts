import { Injectable } from '@nestjs/common';
import { trustedUntil } from '../domain/key-trust.js';
import { forgetAt, maySignFrom } from '../domain/plan-key-rotation.js';
import { Database } from '../database/database.js';
import { type FetchedBy, KeySetFetchRepository } from './key-set-fetch.repository.js';
import { KeyPlan } from './key-plan.js';
import { NOBODY_BEHIND, type Replica, type ReplicasBehind } from './replica.repository.js';
import { Replicas } from './replicas.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { SigningKeyRepository } from './signing-key.repository.js';

/** One key with what lies before it; instants that are over stand in the row. */
export interface TimelineKey {
  readonly row: SigningKeyEntity;
  /** The earliest instant at which it may begin to sign; null once it has, or never will. */
  readonly maySignFrom: Date | null;
  readonly planned: {
    readonly signsFrom: Date | null;
    readonly retiredAt: Date | null;
    /** Of a retired key; of one that still signs nobody knows it yet. */
    readonly unpublishedAt: Date | null;
  };
  /** How many of the replicas that are alive sign with it, and publish it. */
  readonly signingReplicas: number;
  readonly publishingReplicas: number;
  /** Replicas that do not publish it yet, or, once it is forgotten, may still publish it. */
  readonly notAcknowledgedBy: ReplicasBehind;
  /** Of a revoked key: when the last validator drops it; null while nobody can tell. */
  readonly trustedUntil: Date | null;
  /** Who has fetched the key set since the key is in it. */
  readonly fetchedBy: FetchedBy;
}

export interface Timeline {
  readonly keys: readonly TimelineKey[];
  readonly replicas: number;
}

const NOBODY: FetchedBy = { fetches: 0, clients: 0, latest: [] };

/** Every key that there ever was, the longest published first: what was done and what is to come. */
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
    const behind = await this.replicas.behindAll(manager, wanted);
    const switchAt = this.plannedSwitch(rows);
    const fetches = await this.fetches.ofKeys(
      manager,
      rows.map(({ kid }) => kid),
    );
    return {
      keys: rows.map((row) => ({
        ...this.timelineOf(row, switchAt, alive),
        ...this.acknowledgementOf(row, behind.get(row.kid) ?? NOBODY_BEHIND),
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
        unpublishedAt: forgetAt(row, policy),
      },
      signingReplicas: alive.filter(({ signsWith }) => signsWith === row.kid).length,
      publishingReplicas: alive.filter(({ publishes }) => publishes.includes(row.kid)).length,
    };
  }

  private acknowledgementOf(
    row: SigningKeyEntity,
    notAcknowledgedBy: ReplicasBehind,
  ): Pick<TimelineKey, 'notAcknowledgedBy' | 'trustedUntil'> {
    const until = trustedUntil(row, notAcknowledgedBy.total, this.plan.policy);
    return { notAcknowledgedBy, trustedUntil: until };
  }

  private plannedSwitch(rows: readonly SigningKeyEntity[]): Date | null {
    return this.plan.of(rows).find(({ step }) => step.step === 'switch')?.dueAt ?? null;
  }
}
