import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Notifications } from '../platform/notifications.js';
import { EraseTokenKeys } from '../signing-keys/erase-token-keys.js';
import { JobRunner } from './job-runner.js';

const ERASE_EVERY_MS = 60_000;

/** Private halves on a PKCS #11 token, which no transaction of the database erases. */
@Injectable()
export class TokenKeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly eraseTokenKeys: EraseTokenKeys,
    notifications: Notifications,
  ) {
    notifications.on('signing_keys', () => this.erase());
  }

  @Interval(ERASE_EVERY_MS)
  async erase(): Promise<void> {
    await this.runner.run('erase signing keys on the token', () => this.eraseTokenKeys.run());
  }
}
