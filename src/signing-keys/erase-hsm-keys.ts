import { Inject, Injectable } from '@nestjs/common';
import { planHsmErasure } from '../domain/plan-hsm-erasure.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { KeyStore } from './key-store.js';
import { SigningKeyEntity } from './signing-key.entity.js';

/**
 * Destroys private halves on the PKCS #11 token that must not sign any more. A row becomes retired
 * first; whatever happens between that and the token's part is made up for by the next run, and any
 * number of replicas may run at once.
 */
@Injectable()
export class EraseHsmKeys {
  constructor(
    private readonly database: Database,
    private readonly store: KeyStore,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @returns the kids that were destroyed; without a token, none. @throws {HsmError} */
  async run(): Promise<readonly string[]> {
    const { onToken } = this.store;
    if (!onToken) return [];
    // The token first: a key that is listed and whose row is older is then seen with it.
    const keys = await onToken.list();
    const rows = await this.database.manager.find(SigningKeyEntity, {
      select: { kid: true, phase: true },
    });
    const spent = planHsmErasure(keys, rows, onToken.mark, this.clock.now());
    for (const kid of spent) {
      await onToken.destroy(kid);
      this.logger.info({ kid }, 'the private half of a signing key was destroyed on its token');
    }
    return spent;
  }
}
