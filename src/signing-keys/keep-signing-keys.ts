import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { ClockWatch } from './clock-watch.js';
import { RotateSigningKeys } from './rotate-signing-keys.js';
import { SigningKeys } from './signing-keys.service.js';

export const KEEP_SIGNING_KEYS_EVERY_MS = 10_000;

/** Takes the due steps of the keys, takes the keys over, and logs what an operator must know. */
@Injectable()
export class KeepSigningKeys {
  private unreadLogged = false;
  private waitingLogged = '';

  constructor(
    private readonly rotateSigningKeys: RotateSigningKeys,
    private readonly signingKeys: SigningKeys,
    private readonly clock: Clock,
    private readonly clockWatch: ClockWatch,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Every replica looks for due steps. The first one takes the step. */
  async rotate(): Promise<void> {
    for (const step of await this.rotateSigningKeys.carryOutDue()) {
      this.logger.info(step, 'a step of the signing keys was taken');
    }
  }

  async refresh(): Promise<void> {
    try {
      await this.signingKeys.refresh();
      await this.clockWatch.look();
    } finally {
      this.logUnread();
      this.logWaiting();
    }
  }

  private logUnread(): void {
    const unread = this.signingKeys.isUnread(this.clock.now());
    if (unread && !this.unreadLogged) {
      this.logger.error(
        { readAt: this.signingKeys.lastReadAt() },
        'the last read of the signing keys is older than KEYS_UNREAD_WARNING_SECONDS: this replica may ' +
          'publish a revoked key, and may not publish the next key. Reconnect it to the database, or ' +
          'stop it',
      );
    }
    this.unreadLogged = unread;
  }

  private logWaiting(): void {
    const { total, named } = this.signingKeys.switchNotAcknowledgedBy(this.clock.now());
    const waiting = named.map(({ id }) => id).join();
    if (total > 0 && waiting !== this.waitingLogged) {
      this.logger.warn(
        { total, replicas: named },
        'the switch to the next signing key is due, but waits for replicas that do not publish that key ' +
          'yet: reconnect each of them to the database, or stop it. Remove a replica that has ended',
      );
    }
    this.waitingLogged = waiting;
  }
}
