import { Injectable } from '@nestjs/common';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import { Notifications } from '../database/notifications.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { StatusLists } from '../token-revocation/status-lists.js';

/** Reacts to notifications of the database. Without a notification, the jobs do the same a little later. */
@Injectable()
export class Subscriptions {
  constructor(
    notifications: Notifications,
    signingKeys: SigningKeys,
    auxiliaryKeys: AuxiliaryKeys,
    statusLists: StatusLists,
  ) {
    notifications.on('signing_keys', () => signingKeys.refresh());
    notifications.on('auxiliary_keys', () => auxiliaryKeys.refresh());
    notifications.on('service_token_revocations', () => {
      statusLists.outdate();
    });
  }
}
