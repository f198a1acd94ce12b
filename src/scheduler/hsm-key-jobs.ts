import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Notifications } from '../database/notifications.js';
import { EraseHsmKeys } from '../signing-keys/erase-hsm-keys.js';
import { JobRunner } from './job-runner.js';

const ERASE_EVERY_MS = 60_000;

/** Private halves on a PKCS #11 token, which no transaction of the database erases. */
@Injectable()
export class HsmKeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly eraseHsmKeys: EraseHsmKeys,
    notifications: Notifications,
  ) {
    notifications.on('signing_keys', () => this.erase());
  }

  @Interval(ERASE_EVERY_MS)
  async erase(): Promise<void> {
    await this.runner.run('erase signing keys on the token', () => this.eraseHsmKeys.run());
  }
}
