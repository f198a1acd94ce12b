import { Injectable } from '@nestjs/common';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import type { CheckpointClaims, DroppedDayClaims } from './checkpoint-claims.js';

/** Signs what the auditor verifies later. It uses an auxiliary key, never a key of tokens. */
@Injectable()
export class SignForAudit {
  constructor(private readonly keys: AuxiliaryKeys) {}

  async checkpoint(claims: CheckpointClaims): Promise<string> {
    return this.keys.sign('ledger-checkpoint+jwt', claims);
  }

  async droppedDay(claims: DroppedDayClaims): Promise<string> {
    return this.keys.sign('ledger-dropped-day+jwt', claims);
  }
}
