import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { trustedUntil } from '../domain/key-trust.js';
import { Deadline } from '../database/deadline.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { KeyPlan } from './key-plan.js';
import type { ReplicasBehind } from './replica.repository.js';
import { Replicas } from './replicas.js';
import { SigningKeyEntity } from './signing-key.entity.js';

/** Of the time that an answer may take: the answer to a revocation, which is done by then, waits for it. */
const SHARE_FOR_ACKNOWLEDGEMENTS = 0.2;
const LOOK_EVERY_MS = 50;

/** Who may go on publishing a revoked key, and until when validators may trust it. */
export interface KeyTrust {
  readonly notAcknowledgedBy: ReplicasBehind;
  /** Null while nobody can tell: some replica may go on publishing the key. */
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

  /** As it stands; of a key that is not revoked, as it would be if it were revoked now. */
  async in(kid: string): Promise<KeyTrust> {
    const { manager } = this.database;
    const key = await manager.findOneBy(SigningKeyEntity, { kid });
    if (!key) throw new IssuerError('NOT_FOUND', 'There is no signing key with this kid.');
    const wanted = { kid, published: false };
    if (key.unpublishedAt !== null) {
      return this.trust(key, await this.replicas.behind(manager, wanted));
    }
    // All publish it still. Most will drop it within seconds; of those that are silent nobody knows.
    const silent = await this.replicas.silentBehind(manager, wanted);
    const now = this.clock.now();
    const ifRevokedNow = { revokedAt: now, unpublishedAt: now, unpublishedLateAt: null };
    return this.trust(key.revokedAt === null ? ifRevokedNow : key, silent);
  }

  /**
   * The same, once every replica that is alive has acknowledged a revocation; by default a second
   * later at most.
   */
  async afterRevocation(kid: string): Promise<KeyTrust> {
    const deadline = new Deadline(this.config.databaseTimeoutMs * SHARE_FOR_ACKNOWLEDGEMENTS);
    let trust = await this.in(kid);
    while (this.someoneIsAlive(trust.notAcknowledgedBy) && !deadline.isOver) {
      await sleep(LOOK_EVERY_MS);
      trust = await this.in(kid);
    }
    return trust;
  }

  private someoneIsAlive({ named: [latest] }: ReplicasBehind): boolean {
    // Those that were heard of last come first.
    return latest !== undefined && this.replicas.isAlive(latest);
  }

  private trust(
    key: Pick<SigningKeyEntity, 'revokedAt' | 'unpublishedAt' | 'unpublishedLateAt'>,
    notAcknowledgedBy: ReplicasBehind,
  ): KeyTrust {
    const until = trustedUntil(key, notAcknowledgedBy.total, this.plan.policy);
    return { notAcknowledgedBy, trustedUntil: until };
  }
}
