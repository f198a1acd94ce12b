import { Injectable } from '@nestjs/common';
import { Notifications } from '../platform/notifications.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';

/** What happens when the database says so; the jobs do the same by themselves, only later. */
@Injectable()
export class Subscriptions {
  constructor(notifications: Notifications, signingKeys: SigningKeys) {
    notifications.on('signing_keys', () => signingKeys.refresh());
  }
}
