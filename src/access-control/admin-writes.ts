import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Database } from '../database/database.js';
import { requireMatch } from '../http/entity-tag.js';
import { Clock } from '../platform/clock.js';

/** A row that admins change: every change counts its version up. */
export interface ChangeableRow {
  readonly version: number;
  updatedAt: Date;
}

export interface ChangeableRows<Row extends ChangeableRow> {
  /** Reads the row and holds it until the transaction ends. @throws {IssuerError} NOT_FOUND */
  lock(manager: EntityManager, id: string): Promise<Row>;
  save(manager: EntityManager, row: Row): Promise<Row>;
}

/** Runs the writes of the admin API: each is one transaction, with one `now` for all of it. */
@Injectable()
export class AdminWrites {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async run<Result>(
    write: (manager: EntityManager, now: Date) => Promise<Result>,
  ): Promise<Result> {
    const now = this.clock.now();
    return this.database.transaction((manager) => write(manager, now));
  }

  /**
   * Changes one row. A change that leaves the row as it is writes nothing, so its version stays.
   * @param ifMatch the header `If-Match` of the request
   * @throws {IssuerError} NOT_FOUND, PRECONDITION_FAILED
   */
  async change<Row extends ChangeableRow>(
    rows: ChangeableRows<Row>,
    id: string,
    ifMatch: string | undefined,
    apply: (row: Row, now: Date, manager: EntityManager) => void | Promise<void>,
  ): Promise<Row> {
    return this.run(async (manager, now) => {
      const row = await rows.lock(manager, id);
      requireMatch(ifMatch, row.version);
      const before = JSON.stringify(row);
      await apply(row, now, manager);
      if (JSON.stringify(row) === before) return row;
      row.updatedAt = now;
      return rows.save(manager, row);
    });
  }
}
