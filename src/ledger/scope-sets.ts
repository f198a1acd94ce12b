import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Resolution } from '../domain/scope-decision.js';
import { Database } from '../database/database.js';

/** Bounds the memory. A catalog gives a few dozen sets. */
const MAX_REMEMBERED = 10_000;

/** Stores each distinct set of scopes and audiences once, under its digest. */
@Injectable()
export class ScopeSets {
  private readonly stored = new Map<string, Buffer>();

  constructor(private readonly database: Database) {}

  /** Forgets which sets are stored, so that each is written again. */
  forget(): void {
    this.stored.clear();
  }

  /** The digest of the set. Resolves when the set is in the database. */
  async digestOf({ scopes, audiences }: Pick<Resolution, 'scopes' | 'audiences'>): Promise<Buffer> {
    const text = JSON.stringify([scopes, audiences]);
    const known = this.stored.get(text);
    if (known) return known;
    const digest = createHash('sha256').update(text).digest();
    await this.database.pool.query(
      `INSERT INTO scope_sets (digest, scopes, audiences) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
      [digest, scopes, audiences],
    );
    if (this.stored.size >= MAX_REMEMBERED) this.stored.clear();
    this.stored.set(text, digest);
    return digest;
  }
}
