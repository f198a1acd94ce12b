import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { databaseAway } from '../database/away.js';
import { SharedRun } from '../database/shared-run.js';
import type { AuxiliaryKeyEntity } from './auxiliary-key.entity.js';
import type { AuxiliaryJwk, AuxiliaryKey } from './auxiliary-key.js';
import { AuxiliaryKeyRepository } from './auxiliary-key.repository.js';

/**
 * The keys that sign status lists and checkpoints, in memory. Validators accept every signature by a key of
 * the key set as a token. So these keys sign no tokens, and are published at another place.
 */
@Injectable()
export class AuxiliaryKeys {
  private rows: readonly AuxiliaryKeyEntity[] = [];
  private signing: AuxiliaryKey | null = null;
  private document: { readonly keys: readonly AuxiliaryJwk[] } | null = null;
  private readonly reading = new SharedRun(() => this.read());

  constructor(
    private readonly database: Database,
    private readonly keys: AuxiliaryKeyRepository,
  ) {}

  /**
   * Signs with ES256. @param typ the kind of the signed document, for the header
   * @returns a compact JWS
   * @throws {IssuerError} UNAVAILABLE before keys were read from the database
   */
  async sign(typ: string, claims: object): Promise<string> {
    if (!this.signing) throw databaseAway();
    return this.signing.sign(typ, claims);
  }

  /** The JWKS of every key; null before keys were read from the database. */
  published(): { readonly keys: readonly AuxiliaryJwk[] } | null {
    return this.document;
  }

  /** The key with this kid, retired or not; null when it is not ours. */
  async trusted(kid: string): Promise<AuxiliaryJwk | null> {
    const keys = await this.keys.ours(this.database.manager);
    return keys.find((key) => key.kid === kid)?.publicJwk ?? null;
  }

  /** The rows as they were last read. */
  timeline(): readonly AuxiliaryKeyEntity[] {
    return this.rows;
  }

  /** Reads the keys and takes them over. @throws {UnsealError} with a wrong key-encryption key */
  async refresh(): Promise<void> {
    return this.reading.run();
  }

  private async read(): Promise<void> {
    const rows = await this.keys.ours(this.database.manager);
    const current = rows.find(({ phase }) => phase === 'current');
    if (!current) throw new Error('the database has no auxiliary key that signs');
    const keys = rows.map(({ publicJwk }) => publicJwk);
    // Keep the same object for the same keys, so that it is rendered only once.
    if (JSON.stringify(keys) !== JSON.stringify(this.document?.keys)) this.document = { keys };
    this.rows = rows;
    if (this.signing?.kid !== current.kid) this.signing = this.keys.open(current);
  }
}
