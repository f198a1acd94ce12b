import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Notifications } from '../database/notifications.js';
import { ERASE_HSM_KEYS_EVERY_MS, EraseHsmKeys } from '../signing-keys/erase-hsm-keys.js';
import { JobRunner } from './job-runner.js';

@Injectable()
export class HsmKeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly eraseHsmKeys: EraseHsmKeys,
    notifications: Notifications,
  ) {
    notifications.on('signing_keys', () => this.erase());
  }

  @Interval(ERASE_HSM_KEYS_EVERY_MS)
  async erase(): Promise<void> {
    await this.runner.run('erase signing keys on the HSM', () => this.eraseHsmKeys.run());
  }
}
