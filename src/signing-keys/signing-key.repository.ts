import { Injectable } from '@nestjs/common';
import { type EntityManager, IsNull, Not } from 'typeorm';
import { type SealedColumn, sealedOwner } from '../sealing/sealed-columns.js';
import { type SealedSample, Sealing } from '../sealing/sealing.js';
import { KeyStore } from './key-store.js';
import { SigningKeyEntity } from './signing-key.entity.js';
import type { GeneratedKey, SigningKey } from './signing-key.js';

/** The private halves of the current and the next key. */
export const SEALED_SIGNING_KEYS: SealedColumn = {
  table: 'signing_keys',
  id: { column: 'kid', type: 'text' },
  column: 'sealed_private_key',
};

/** Who revoked a key, and why. */
export interface RevocationRecord {
  readonly revokedAt: Date;
  readonly revokedBy: string;
  readonly revocationReason: string | null;
}

export interface KeyPromotion {
  readonly signsFrom: Date;
  readonly leadSeconds: number;
  readonly outageAccepted: boolean;
}

@Injectable()
export class SigningKeyRepository {
  constructor(
    private readonly store: KeyStore,
    private readonly sealing: Sealing,
  ) {}

  /** Every key, the oldest first. */
  async all(manager: EntityManager): Promise<SigningKeyEntity[]> {
    return manager.find(SigningKeyEntity, { order: { publishedAt: 'ASC', kid: 'ASC' } });
  }

  /** Every published key, the oldest first. */
  async published(manager: EntityManager): Promise<SigningKeyEntity[]> {
    return manager.find(SigningKeyEntity, {
      where: { unpublishedAt: IsNull() },
      order: { publishedAt: 'ASC', kid: 'ASC' },
    });
  }

  async unpublished(manager: EntityManager): Promise<SigningKeyEntity[]> {
    return manager.find(SigningKeyEntity, { where: { unpublishedAt: Not(IsNull()) } });
  }

  /** One transaction at a time plans and applies a change of the keys. */
  async lockPlan(manager: EntityManager): Promise<void> {
    await manager.query(`SELECT pg_advisory_xact_lock(hashtext('signing_keys.plan'))`);
  }

  async insert(
    manager: EntityManager,
    key: GeneratedKey,
    phase: 'next' | 'current',
    now: Date,
  ): Promise<void> {
    await manager.insert(SigningKeyEntity, {
      kid: key.kid,
      phase,
      publicJwk: key.publicJwk,
      sealedPrivateKey: this.sealing.seal(
        key.privateKey,
        sealedOwner(SEALED_SIGNING_KEYS, key.kid),
      ),
      publishedAt: now,
      signsFrom: phase === 'current' ? now : null,
      retiredAt: null,
      unpublishedAt: null,
    });
  }

  /** Erases the private half. */
  async retire(
    manager: EntityManager,
    kid: string,
    retiredAt: Date,
    revocation: RevocationRecord | null = null,
  ): Promise<void> {
    const change = { phase: 'retired', retiredAt, sealedPrivateKey: null, ...revocation } as const;
    await manager.update(SigningKeyEntity, { kid }, change);
  }

  async promote(manager: EntityManager, kid: string, promotion: KeyPromotion): Promise<void> {
    await manager.update(SigningKeyEntity, { kid }, { phase: 'current', ...promotion });
  }

  /** A revoked key is unpublished before its tokens have expired. */
  async revokeRetired(
    manager: EntityManager,
    kid: string,
    revocation: RevocationRecord,
  ): Promise<void> {
    await manager.update(SigningKeyEntity, { kid }, { ...revocation });
  }

  async unpublish(manager: EntityManager, kid: string, unpublishedAt: Date): Promise<void> {
    await manager.update(SigningKeyEntity, { kid }, { unpublishedAt });
  }

  /** A sealed private half, to test a key-encryption key. Null in a database without keys. */
  async sealedSample(manager: EntityManager): Promise<SealedSample | null> {
    const row = await manager.findOne(SigningKeyEntity, {
      where: { sealedPrivateKey: Not(IsNull()) },
      order: { phase: 'ASC' },
    });
    const sealed = row?.sealedPrivateKey ?? null;
    if (!row || sealed === null) return null;
    return { sealed, owner: sealedOwner(SEALED_SIGNING_KEYS, row.kid) };
  }

  /** A fresh key without a row. @throws {HsmError} */
  async generate(): Promise<GeneratedKey> {
    return this.store.generate();
  }

  /**
   * @throws {UnsealError} when another key-encryption key sealed the private half
   * @throws {HsmError} when the key is on an HSM and none is configured
   */
  open(row: SigningKeyEntity): SigningKey {
    if (row.sealedPrivateKey === null)
      throw new Error(`signing key ${row.kid} has no private half`);
    const privateKey = this.sealing.open(
      row.sealedPrivateKey,
      sealedOwner(SEALED_SIGNING_KEYS, row.kid),
    );
    return this.store.open(row.publicJwk, privateKey);
  }
}
