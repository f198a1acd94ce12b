import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Database } from './database.js';
import { DATABASE_STATES, type DatabaseState, DatabaseWatch } from './database-state.js';
import { Notifications } from './notifications.js';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Everything that `GET /-/metrics` shows, in the Prometheus text format. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly syncs = new Counter({
    name: 'issuer_syncs_total',
    help:
      'Token syncs by outcome (issued; answered, when no token was asked for; revoked, when an ' +
      'admin has revoked the tokens; denied; failed) and code.',
    labelNames: ['outcome', 'code'] as const,
    registers: [this.registry],
  });

  readonly activations = new Counter({
    name: 'issuer_activations_total',
    help: 'Activations by outcome (activated, refused) and code.',
    labelNames: ['outcome', 'code'] as const,
    registers: [this.registry],
  });

  readonly seatLinks = new Counter({
    name: 'issuer_seat_links_total',
    help: 'Seat links by outcome (recorded; kept_apart, when their numbers cannot be true; refused) and code.',
    labelNames: ['outcome', 'code'] as const,
    registers: [this.registry],
  });

  private readonly signatureSeconds = new Histogram({
    name: 'issuer_signature_seconds',
    help: 'Time to sign one service token, waiting for a thread included.',
    buckets: SECONDS,
    registers: [this.registry],
  });

  private readonly databaseSeconds = new Histogram({
    name: 'issuer_database_seconds',
    help: 'Time to an answer of the database, waiting for a connection included, by statement.',
    labelNames: ['statement'] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });

  readonly ledgerBatchRows = new Histogram({
    name: 'issuer_ledger_batch_rows',
    help: 'Issued tokens that shared one flush of the ledger.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [this.registry],
  });

  readonly lintRefusals = new Counter({
    name: 'issuer_lint_refusals_total',
    help: 'Tokens that were not signed because their claims had faults: each one is a bug.',
    registers: [this.registry],
  });

  readonly ledgerFindings = new Counter({
    name: 'issuer_ledger_findings_total',
    help: 'What the scheduled audit of the ledger has found, by code: none is normal.',
    labelNames: ['finding'] as const,
    registers: [this.registry],
  });

  constructor(watch: DatabaseWatch, database: Database, notifications: Notifications) {
    collectDefaultMetrics({ register: this.registry });
    this.gaugeDatabase(watch);
    new Gauge({
      name: 'issuer_notifications_up',
      help: 'Whether this replica listens to what others tell through the database: 1 or 0.',
      registers: [this.registry],
      collect() {
        this.set(notifications.isUp ? 1 : 0);
      },
    });
    new Gauge({
      name: 'issuer_database_connections',
      help: 'Connections of the sync path by state, and requests that wait for one.',
      labelNames: ['state'],
      registers: [this.registry],
      collect() {
        const { totalCount, idleCount, waitingCount } = database.connections();
        this.set({ state: 'open' }, totalCount);
        this.set({ state: 'idle' }, idleCount);
        this.set({ state: 'waiting' }, waitingCount);
      },
    });
  }

  private gaugeDatabase(watch: DatabaseWatch): void {
    let latest: Promise<DatabaseState> | undefined;
    new Gauge({
      name: 'issuer_database_up',
      help: 'Whether the database answers and takes writes, if only slowly: 1 or 0.',
      registers: [this.registry],
      async collect() {
        latest = watch.state();
        const state = await latest;
        this.set(state === 'up' || state === 'slow' ? 1 : 0);
      },
    });
    new Gauge({
      name: 'issuer_database_state',
      help: 'What the database is good for; one is 1: up, slow, read_only, full, refused, away.',
      labelNames: ['state'],
      registers: [this.registry],
      async collect() {
        // Metrics are collected in their order: the one before has just asked.
        const now = await (latest ?? watch.state());
        for (const state of DATABASE_STATES) this.set({ state }, state === now ? 1 : 0);
      },
    });
  }

  async timeSignature<Result>(sign: () => Promise<Result>): Promise<Result> {
    return timed(this.signatureSeconds.startTimer(), sign);
  }

  async timeStatement<Result>(statement: string, run: () => Promise<Result>): Promise<Result> {
    return timed(this.databaseSeconds.startTimer({ statement }), run);
  }
}

async function timed<Result>(stop: () => void, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    stop();
  }
}
