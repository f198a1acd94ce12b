import { Counter, Gauge, type Registry } from 'prom-client';
import type { BoundedServer } from './bounded-server.js';
import type { Connections } from './connections.js';
import type { Gates } from './gates.js';

const LANES = ['instances', 'metrics', 'others'] as const;

/** Metrics of the limits of the HTTP server. */
export function observeServer({ connections, gates }: BoundedServer, registry: Registry): void {
  observeConnections(connections, registry);
  observeGates(gates, registry);
}

function observeConnections(connections: Connections, registry: Registry): void {
  new Gauge({
    name: 'issuer_connections',
    help: 'Open connections: silent (no request yet), idle (all answered), busy.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const { silent, idle, busy } = connections.counts;
      this.set({ state: 'silent' }, silent);
      this.set({ state: 'idle' }, idle);
      this.set({ state: 'busy' }, busy);
    },
  });
  new Counter({
    name: 'issuer_connections_closed_total',
    help: 'Connections closed by the bounds: evicted (for a newer one), refused, unread (its answer).',
    labelNames: ['because'],
    registers: [registry],
    collect() {
      this.reset();
      this.inc({ because: 'evicted' }, connections.closed.evicted);
      this.inc({ because: 'refused' }, connections.closed.refused);
      this.inc({ because: 'unread' }, connections.closed.unread);
    },
  });
}

function observeGates(gates: Gates, registry: Registry): void {
  new Gauge({
    name: 'issuer_requests',
    help: 'Requests by lane (instances, metrics, others) and state: in_work, or waiting for a slot.',
    labelNames: ['lane', 'state'],
    registers: [registry],
    collect() {
      for (const lane of LANES) {
        const { inWork, waiting } = gates.counts(lane);
        this.set({ lane, state: 'in_work' }, inWork);
        this.set({ lane, state: 'waiting' }, waiting);
      }
    },
  });
  new Counter({
    name: 'issuer_requests_turned_away_total',
    help: 'Requests answered 503 because too many were in work, by lane.',
    labelNames: ['lane'],
    registers: [registry],
    collect() {
      this.reset();
      for (const lane of LANES) this.inc({ lane }, gates.turnedAway[lane]);
    },
  });
}
