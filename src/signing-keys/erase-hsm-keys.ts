import { Inject, Injectable } from '@nestjs/common';
import { planHsmErasure } from '../domain/plan-hsm-erasure.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { KeyStore } from './key-store.js';
import { SigningKeyEntity } from './signing-key.entity.js';

export const ERASE_HSM_KEYS_EVERY_MS = 60_000;

/**
 * Destroys the private halves on the HSM that must not sign any more. The row is retired first. A crash
 * between the two is repaired by the next run. Any number of replicas may run this at once.
 */
@Injectable()
export class EraseHsmKeys {
  constructor(
    private readonly database: Database,
    private readonly store: KeyStore,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @returns the kids that were destroyed. @throws {HsmError} */
  async run(): Promise<readonly string[]> {
    const { hsm } = this.store;
    if (!hsm) return [];
    // List the HSM before the rows: otherwise a row that is written in between would be missed.
    const keys = await hsm.list();
    const rows = await this.database.manager.find(SigningKeyEntity, {
      select: { kid: true, phase: true },
    });
    const spent = planHsmErasure(keys, rows, hsm.mark, this.clock.now());
    for (const kid of spent) {
      await hsm.destroy(kid);
      this.logger.info({ kid }, 'the private half of a signing key was destroyed on the HSM');
    }
    return spent;
  }
}
