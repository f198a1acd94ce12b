import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../platform/clock.js';
import { newId } from '../platform/new-id.js';

/** What one process says that it signs with and publishes. */
export interface Replica {
  readonly id: string;
  readonly seenAt: Date;
  readonly signsWith: string | null;
  readonly publishes: readonly string[];
}

/** A replica that has not been heard of for as long is no longer counted. */
const SILENT_FOR_MS = 60_000;
const FORGOTTEN_AFTER_MS = 86_400_000;

const ACKNOWLEDGE = `
  INSERT INTO replicas (id, started_at, seen_at, signs_with, publishes) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, signs_with = excluded.signs_with,
    publishes = excluded.publishes`;

/** The processes that share the database, and which keys each of them has acknowledged. */
@Injectable()
export class Replicas {
  private readonly id: string;
  private readonly startedAt: Date;

  constructor(private readonly clock: Clock) {
    this.startedAt = clock.now();
    this.id = newId(this.startedAt);
  }

  /** This process signs with nothing but `signsWith` from now on: other keys are out of its memory. */
  async acknowledge(
    manager: EntityManager,
    signsWith: string | null,
    publishes: readonly string[],
  ): Promise<void> {
    const now = this.clock.now();
    await manager.query(ACKNOWLEDGE, [this.id, this.startedAt, now, signsWith, publishes]);
    const forgotten = new Date(now.getTime() - FORGOTTEN_AFTER_MS);
    await manager.query('DELETE FROM replicas WHERE seen_at < $1', [forgotten]);
  }

  /** Those that were heard of lately. */
  async alive(manager: EntityManager): Promise<Replica[]> {
    const since = new Date(this.clock.now().getTime() - SILENT_FOR_MS);
    const rows: Replica[] = await manager.query(
      `SELECT id, seen_at AS "seenAt", signs_with AS "signsWith", publishes
       FROM replicas WHERE seen_at >= $1 ORDER BY started_at, id`,
      [since],
    );
    return rows;
  }
}
