import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { trustedUntil } from '../domain/key-trust.js';
import { Deadline } from '../database/deadline.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { KeyPlan } from './key-plan.js';
import type { NotAcknowledgedBy } from './replica.repository.js';
import { Replicas } from './replicas.js';
import { SigningKeyEntity } from './signing-key.entity.js';

/** The share of the answer time that a revocation may wait for acknowledgements. */
const SHARE_FOR_ACKNOWLEDGEMENTS = 0.2;
const LOOK_EVERY_MS = 50;

/** Which replicas may still publish a revoked key, and until when validators may trust it. */
export interface KeyTrust {
  readonly notAcknowledgedBy: NotAcknowledgedBy;
  /** Null while a replica may still publish the key. */
  readonly trustedUntil: Date | null;
}

@Injectable()
export class TrustInKeys {
  constructor(
    private readonly database: Database,
    private readonly replicas: Replicas,
    private readonly plan: KeyPlan,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /** The trust in a revoked key. For any other key: what it would be if the key were revoked now. */
  async in(kid: string): Promise<KeyTrust> {
    const { manager } = this.database;
    const key = await manager.findOneBy(SigningKeyEntity, { kid });
    if (!key) throw new IssuerError('NOT_FOUND', 'There is no signing key with this kid.');
    const wanted = { kid, published: false };
    if (key.unpublishedAt !== null) {
      return this.trust(key, await this.replicas.notAcknowledgedBy(manager, wanted));
    }
    // All replicas still publish it. Live replicas stop within seconds; silent ones may not.
    const silent = await this.replicas.silentNotAcknowledgedBy(manager, wanted);
    const now = this.clock.now();
    const ifRevokedNow = { revokedAt: now, unpublishedAt: now, unpublishedLateAt: null };
    return this.trust(key.revokedAt === null ? ifRevokedNow : key, silent);
  }

  /**
   * The trust in a revoked key after every live replica has acknowledged the revocation. Waits one second
   * at most by default.
   */
  async afterRevocation(kid: string): Promise<KeyTrust> {
    const deadline = new Deadline(this.config.databaseTimeoutMs * SHARE_FOR_ACKNOWLEDGEMENTS);
    let trust = await this.in(kid);
    while (this.includesLiveReplica(trust.notAcknowledgedBy) && !deadline.isOver) {
      await sleep(LOOK_EVERY_MS);
      trust = await this.in(kid);
    }
    return trust;
  }

  private includesLiveReplica({ named: [latest] }: NotAcknowledgedBy): boolean {
    // The latest to acknowledge keys comes first.
    return latest !== undefined && this.replicas.isAlive(latest);
  }

  private trust(
    key: Pick<SigningKeyEntity, 'revokedAt' | 'unpublishedAt' | 'unpublishedLateAt'>,
    notAcknowledgedBy: NotAcknowledgedBy,
  ): KeyTrust {
    const until = trustedUntil(key, notAcknowledgedBy.total, this.plan.policy);
    return { notAcknowledgedBy, trustedUntil: until };
  }
}
