import { Injectable } from '@nestjs/common';
import { Gauge, Histogram, type Registry } from 'prom-client';
import { Metrics, SECONDS, timed } from '../platform/metrics.js';
import { Database } from './database.js';
import { Notifications } from './notifications.js';
import { DATABASE_STATES, type DatabaseState, DatabaseWatch } from './state.js';

/** Tokens are issued in these states, if only slowly. */
const ISSUES: ReadonlySet<DatabaseState> = new Set(['up', 'slow', 'pool_full'] as const);

@Injectable()
export class DatabaseMetrics {
  private readonly registry: Registry;
  private readonly seconds: Histogram<'statement'>;

  constructor(
    { registry }: Metrics,
    watch: DatabaseWatch,
    database: Database,
    notifications: Notifications,
  ) {
    this.registry = registry;
    this.seconds = new Histogram({
      name: 'issuer_database_seconds',
      help: 'Time until the database answered, including the wait for a connection, by statement.',
      labelNames: ['statement'] as const,
      buckets: SECONDS,
      registers: [registry],
    });
    this.gaugeState(watch);
    this.gaugeConnections(database, notifications);
  }

  async timeStatement<Result>(statement: string, run: () => Promise<Result>): Promise<Result> {
    return timed(this.seconds.startTimer({ statement }), run);
  }

  private gaugeState(watch: DatabaseWatch): void {
    let latest: Promise<DatabaseState> | undefined;
    new Gauge({
      name: 'issuer_database_up',
      help: 'Whether the database answers and takes writes, if only slowly: 1 or 0.',
      registers: [this.registry],
      async collect() {
        latest = watch.state();
        const state = await latest;
        this.set(ISSUES.has(state) ? 1 : 0);
      },
    });
    new Gauge({
      name: 'issuer_database_state',
      help: `The state of the database: 1 for one of ${DATABASE_STATES.join(', ')}.`,
      labelNames: ['state'],
      registers: [this.registry],
      async collect() {
        // Metrics are collected in order, so the one before has just asked.
        const now = await (latest ?? watch.state());
        for (const state of DATABASE_STATES) this.set({ state }, state === now ? 1 : 0);
      },
    });
  }

  private gaugeConnections(database: Database, notifications: Notifications): void {
    new Gauge({
      name: 'issuer_notifications_up',
      help: 'Whether this replica listens to notifications of the database: 1 or 0.',
      registers: [this.registry],
      collect() {
        this.set(notifications.isUp ? 1 : 0);
      },
    });
    new Gauge({
      name: 'issuer_database_connections',
      help: 'Connections of the sync path by state; `waiting` counts requests that wait for one.',
      labelNames: ['state'],
      registers: [this.registry],
      collect() {
        setCounts(this, database.connections());
      },
    });
    new Gauge({
      name: 'issuer_database_admin_connections',
      help: 'Connections of the admin side by state; `waiting` counts requests that wait for one.',
      labelNames: ['state'],
      registers: [this.registry],
      collect() {
        setCounts(this, database.adminConnections());
      },
    });
  }
}

function setCounts(gauge: Gauge<'state'>, counts: ReturnType<Database['connections']>): void {
  gauge.set({ state: 'open' }, counts.totalCount);
  gauge.set({ state: 'idle' }, counts.idleCount);
  gauge.set({ state: 'waiting' }, counts.waitingCount);
}
