import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Clock } from '../platform/clock.js';
import { Metrics } from '../platform/metrics.js';
import { ClockWatch } from './clock-watch.js';
import { SigningKeys } from './signing-keys.service.js';

@Injectable()
export class KeyMetrics {
  constructor(
    private readonly metrics: Metrics,
    private readonly signingKeys: SigningKeys,
    private readonly clock: Clock,
    private readonly clockWatch: ClockWatch,
  ) {
    this.gaugeAges();
    this.gaugeNextStep();
    this.gaugeReading();
    this.gaugeReplicas();
    this.gaugeKept();
    this.gaugeClock();
  }

  private gaugeAges(): void {
    const { signingKeys, clock } = this;
    new Gauge({
      name: 'issuer_signing_key_age_seconds',
      help: 'Seconds since the key was published.',
      labelNames: ['kid', 'phase'],
      registers: [this.metrics.registry],
      collect() {
        const now = clock.now().getTime();
        this.reset();
        for (const { kid, phase, publishedAt } of signingKeys.timeline()) {
          this.set({ kid, phase }, (now - publishedAt.getTime()) / 1000);
        }
      },
    });
  }

  private gaugeNextStep(): void {
    const { signingKeys, clock } = this;
    new Gauge({
      name: 'issuer_signing_key_next_step_timestamp_seconds',
      help: 'When the next step of the keys is due (publish_first, publish_next, switch, unpublish), as Unix time.',
      labelNames: ['step'],
      registers: [this.metrics.registry],
      collect() {
        this.reset();
        const next = signingKeys.nextStep(clock.now());
        if (next) this.set({ step: next.step.step }, next.dueAt.getTime() / 1000);
      },
    });
    new Gauge({
      name: 'issuer_signing_key_step_overdue',
      help: '1 while a step of the keys is overdue by more than a minute: the scheduler or the database fails.',
      registers: [this.metrics.registry],
      collect() {
        this.set(signingKeys.rotationState(clock.now()) === 'overdue' ? 1 : 0);
      },
    });
  }

  private gaugeReading(): void {
    const { signingKeys, clock } = this;
    new Gauge({
      name: 'issuer_signing_keys_read_age_seconds',
      help: 'Seconds since the keys that this replica publishes were read from the database.',
      registers: [this.metrics.registry],
      collect() {
        const readAt = signingKeys.lastReadAt();
        this.set(readAt ? Math.max(0, (clock.now().getTime() - readAt.getTime()) / 1000) : NaN);
      },
    });
    new Gauge({
      name: 'issuer_signing_keys_unread',
      help: '1 while the last read of the keys is older than KEYS_UNREAD_WARNING_SECONDS.',
      registers: [this.metrics.registry],
      collect() {
        this.set(signingKeys.isUnread(clock.now()) ? 1 : 0);
      },
    });
  }

  private gaugeReplicas(): void {
    const { signingKeys, clock } = this;
    new Gauge({
      name: 'issuer_replicas_not_acknowledging_next_key',
      help: 'Replicas that have not acknowledged the next key while the switch to it is due and waits for them.',
      registers: [this.metrics.registry],
      collect() {
        this.set(signingKeys.switchNotAcknowledgedBy(clock.now()).total);
      },
    });
    new Gauge({
      name: 'issuer_replicas_publishing_revoked_keys',
      help: 'Replicas that may still publish a revoked key.',
      registers: [this.metrics.registry],
      collect() {
        this.set(signingKeys.replicasPublishingRevokedKeys());
      },
    });
  }

  private gaugeClock(): void {
    const { clockWatch } = this;
    new Gauge({
      name: 'issuer_clock_far_off',
      help: '1 while the clock is far off the newest instants in the database, behind or (for an hour after a start) ahead.',
      labelNames: ['verdict'],
      registers: [this.metrics.registry],
      collect() {
        const verdict = clockWatch.report()?.verdict;
        for (const one of ['behind', 'ahead']) this.set({ verdict: one }, one === verdict ? 1 : 0);
      },
    });
  }

  private gaugeKept(): void {
    const { signingKeys } = this;
    new Gauge({
      name: 'issuer_kept_keys_outdated',
      help: '1 while DATA_DIR cannot be written: a start without the database would use old keys.',
      registers: [this.metrics.registry],
      collect() {
        this.set(signingKeys.areKept() ? 0 : 1);
      },
    });
  }
}
