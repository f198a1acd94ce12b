import { Inject, Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../platform/clock.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { RotateSigningKeys } from '../signing-keys/rotate-signing-keys.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { JobRunner } from './job-runner.js';

const EVERY_MS = 10_000;

/** Every replica asks what is due; whoever is first does it, and all of them take the keys over. */
@Injectable()
export class KeyJobs {
  private toldUnread = false;
  private toldWaiting = '';

  constructor(
    private readonly runner: JobRunner,
    private readonly rotateSigningKeys: RotateSigningKeys,
    private readonly signingKeys: SigningKeys,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Interval(EVERY_MS)
  async keepSigningKeys(): Promise<void> {
    await this.runner.run('rotate signing keys', async () => {
      for (const step of await this.rotateSigningKeys.carryOutDue()) {
        this.logger.info(step, 'a step of the signing keys was taken');
      }
    });
    await this.runner.run('refresh signing keys', () => this.signingKeys.refresh());
    this.tellUnread();
    this.tellWaiting();
  }

  private tellUnread(): void {
    const unread = this.signingKeys.isUnread(this.clock.now());
    if (unread && !this.toldUnread) {
      this.logger.error(
        { readAt: this.signingKeys.lastReadAt() },
        'the signing keys have not been read for longer than KEYS_UNREAD_WARNING_SECONDS: this replica ' +
          'may publish a revoked key, and may lack the key that signs next. Let it reach the database, ' +
          'or stop it',
      );
    }
    this.toldUnread = unread;
  }

  private tellWaiting(): void {
    const { total, named } = this.signingKeys.switchWaitsFor(this.clock.now());
    const waiting = named.map(({ id }) => id).join();
    if (total > 0 && waiting !== this.toldWaiting) {
      this.logger.warn(
        { total, replicas: named },
        'the switch to the next signing key is due, and waits for replicas that do not publish that key ' +
          'yet: let each reach the database or stop it, and strike out one that has ended',
      );
    }
    this.toldWaiting = waiting;
  }
}
