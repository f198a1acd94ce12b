import { Injectable } from '@nestjs/common';
import { BodyValidation, faultsOf } from '../http/validation.js';
import { Clock } from '../platform/clock.js';
import type { CreateActivationCodeBody } from './activation-code.dto.js';
import { futureInstant } from './activation-codes.service.js';

/** The optional body of a new activation code, whose expiry must lie in the future. */
@Injectable()
export class ActivationCodeBodyValidation extends BodyValidation<CreateActivationCodeBody> {
  constructor(clock: Clock) {
    super(({ expires_at = null }) => faultsOf(() => futureInstant(expires_at, clock.now())), {});
  }
}
