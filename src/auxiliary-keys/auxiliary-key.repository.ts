import { Injectable } from '@nestjs/common';
import { calculateJwkThumbprint } from 'jose';
import type { EntityManager } from 'typeorm';
import { type SealedColumn, sealedOwner } from '../sealing/sealed-columns.js';
import { Sealing, UnsealError } from '../sealing/sealing.js';
import { AuxiliaryKeyEntity } from './auxiliary-key.entity.js';
import { type AuxiliaryKey, auxiliaryKeyOf, type GeneratedAuxiliaryKey } from './auxiliary-key.js';

/** The private halves of the current and the next key. */
export const SEALED_AUXILIARY_KEYS: SealedColumn = {
  table: 'auxiliary_keys',
  id: { column: 'kid', type: 'text' },
  column: 'sealed_private_key',
};

/** The sealed kids prove that a key is ours, even when it is retired. */
export const SEALED_AUXILIARY_KIDS: SealedColumn = {
  table: 'auxiliary_keys',
  id: { column: 'kid', type: 'text' },
  column: 'sealed_kid',
};

@Injectable()
export class AuxiliaryKeyRepository {
  constructor(private readonly sealing: Sealing) {}

  /** Every key that is ours, the oldest first. All of them are published. */
  async ours(manager: EntityManager): Promise<AuxiliaryKeyEntity[]> {
    const rows = await this.all(manager);
    const ours = await Promise.all(rows.map((row) => this.isOurs(row)));
    return rows.filter((_row, index) => ours[index]);
  }

  /** Every row, ours or not. */
  async all(manager: EntityManager): Promise<AuxiliaryKeyEntity[]> {
    return manager.find(AuxiliaryKeyEntity, { order: { publishedAt: 'ASC', kid: 'ASC' } });
  }

  /** One transaction at a time plans and applies a change of the keys. */
  async lockPlan(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('auxiliary_keys.plan'))`);
  }

  /** Wipes the private half after sealing it. */
  async insert(
    manager: EntityManager,
    { publicJwk, privateKey }: GeneratedAuxiliaryKey,
    phase: 'next' | 'current',
    now: Date,
  ): Promise<void> {
    const owner = sealedOwner(SEALED_AUXILIARY_KEYS, publicJwk.kid);
    const sealedPrivateKey = this.sealing.seal(privateKey, owner);
    privateKey.fill(0);
    await manager.insert(AuxiliaryKeyEntity, {
      kid: publicJwk.kid,
      phase,
      publicJwk,
      sealedPrivateKey,
      sealedKid: this.sealing.seal(Buffer.from(publicJwk.kid), owner),
      publishedAt: now,
      signsFrom: phase === 'current' ? now : null,
      retiredAt: null,
    });
  }

  async promote(manager: EntityManager, kid: string, signsFrom: Date): Promise<void> {
    await manager.update(AuxiliaryKeyEntity, { kid }, { phase: 'current', signsFrom });
  }

  /** Erases the private half. */
  async retire(manager: EntityManager, kid: string, retiredAt: Date): Promise<void> {
    const change = { phase: 'retired', retiredAt, sealedPrivateKey: null } as const;
    await manager.update(AuxiliaryKeyEntity, { kid }, change);
  }

  /**
   * Whether the key was added by someone with the key-encryption key, not only with the database. A kid is
   * the thumbprint of its key (RFC 7638), so a proof of the kid proves the whole key.
   */
  async isOurs({ kid, publicJwk, sealedKid }: AuxiliaryKeyEntity): Promise<boolean> {
    if ((await calculateJwkThumbprint({ ...publicJwk }, 'sha256')) !== kid) return false;
    try {
      const owner = sealedOwner(SEALED_AUXILIARY_KIDS, kid);
      return this.sealing.open(sealedKid, owner).equals(Buffer.from(kid));
    } catch (error) {
      if (error instanceof UnsealError) return false;
      throw error;
    }
  }

  /** @throws {UnsealError} when another key-encryption key sealed the private half */
  open({ kid, sealedPrivateKey }: AuxiliaryKeyEntity): AuxiliaryKey {
    if (sealedPrivateKey === null) throw new Error(`auxiliary key ${kid} has no private half`);
    const owner = sealedOwner(SEALED_AUXILIARY_KEYS, kid);
    return auxiliaryKeyOf(kid, this.sealing.open(sealedPrivateKey, owner));
  }
}
