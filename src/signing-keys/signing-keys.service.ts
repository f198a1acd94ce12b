import { Inject, Injectable } from '@nestjs/common';
import { type KeySetDocument, keySetFaults } from '../domain/published-document.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';
import { databaseAway } from '../platform/database-away.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { PublishedKeysFile } from './published-keys-file.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { generateSigningKey, type SigningKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

/**
 * The keys as this replica knows them, in memory: what it signs with and what it publishes. It goes
 * on publishing whatever becomes of the database.
 */
@Injectable()
export class SigningKeys {
  private signing: SigningKey | null = null;
  private document: KeySetDocument | null = null;
  private rows: readonly SigningKeyEntity[] = [];
  private readonly file: PublishedKeysFile;

  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.file = new PublishedKeysFile(config.dataDir);
  }

  /** The key that signs. @throws {IssuerError} UNAVAILABLE before keys were read from the database */
  current(): SigningKey {
    if (!this.signing) throw databaseAway();
    return this.signing;
  }

  /** What validators fetch; null only before the listener opens. */
  published(): KeySetDocument | null {
    return this.document;
  }

  /** The rows as they were last read, public halves and instants. */
  timeline(): readonly SigningKeyEntity[] {
    return this.rows;
  }

  /** Makes the first pair of keys of an empty database; any number of replicas may try at once. */
  async ensureKeys(): Promise<void> {
    if (await this.keys.hasKeys(this.database.manager)) return;
    // Outside the transaction: making a key takes a while, and the loser just throws its pair away.
    const [current, next] = await Promise.all([generateSigningKey(), generateSigningKey()]);
    const now = this.clock.now();
    await this.database.transaction(async (manager) => {
      await this.keys.lockPlan(manager);
      if (await this.keys.hasKeys(manager)) return;
      await this.keys.insert(manager, current, 'current', now);
      await this.keys.insert(manager, next, 'next', now);
    });
    current.privateKey.fill(0);
    next.privateKey.fill(0);
  }

  /**
   * Reads the keys and takes them over as a whole, or not at all.
   * @throws {UnsealError} with a wrong key-encryption key
   */
  async refresh(): Promise<void> {
    const rows = await this.keys.published(this.database.manager);
    const currentRow = rows.find(({ phase }) => phase === 'current');
    if (!currentRow) throw new Error('the database has no signing key in phase current');
    const document = { keys: rows.map(({ publicJwk }) => publicJwk) };
    requirePublishable(document);
    if (this.signing?.kid !== currentRow.kid) this.signing = this.keys.open(currentRow);
    this.rows = rows;
    await this.publish(document);
  }

  /** Publishes what was published last. @returns false when nothing was kept */
  async publishKept(): Promise<boolean> {
    this.document = await this.file.read();
    return this.document !== null;
  }

  private async publish(document: KeySetDocument): Promise<void> {
    const changed = JSON.stringify(document) !== JSON.stringify(this.document);
    this.document = document;
    if (!changed) return;
    try {
      await this.file.write(document);
    } catch (error) {
      this.logger.warn(
        { error },
        'the published keys could not be kept for a start without database',
      );
    }
  }
}

function requirePublishable(document: KeySetDocument): void {
  const faults = keySetFaults(document);
  if (faults.length > 0) {
    throw new Error(
      `this key set would break validators and is not published: ${faults.join('; ')}`,
    );
  }
}
