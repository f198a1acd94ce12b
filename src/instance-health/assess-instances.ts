import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import { dayOf } from '../domain/calendar-day.js';
import { type GitlabVersion, recordedVersion } from '../domain/gitlab-version.js';
import { type InstanceHealth, instanceHealth } from '../domain/instance-health.js';
import type { License } from '../domain/license.js';
import type { InstanceEntity } from '../instances/instance.entity.js';
import { Entitlements } from '../entitlements/entitlements.js';
import { InstanceHealthRepository } from './instance-health.repository.js';

export type InstanceToAssess = Pick<
  InstanceEntity,
  'id' | 'licenseId' | 'gitlabVersion' | 'lastSyncAt' | 'tokenJti' | 'tokenExpiresAt'
>;

/** Compares the live tokens of instances with what their next sync would bring. */
@Injectable()
export class AssessInstances {
  constructor(
    private readonly repository: InstanceHealthRepository,
    private readonly entitlements: Entitlements,
  ) {}

  /** In the order of `instances`. The number of statements does not depend on theirs. */
  async assess<Instance extends InstanceToAssess>(
    manager: EntityManager,
    instances: readonly Instance[],
    now: Date,
  ): Promise<{ readonly instance: Instance; readonly health: InstanceHealth }[]> {
    const licenseIds = [...new Set(instances.map(({ licenseId }) => licenseId))];
    const instanceIds = instances.map(({ id }) => id);
    const licenses = await this.repository.licenses(manager, licenseIds);
    const purchases = await this.repository.activePurchases(manager, licenseIds, dayOf(now));
    const tokens = await this.repository.liveTokens(manager, instanceIds, now);
    const revoked = await this.repository.tokensRevoked(manager, instances);
    const scopesOf = this.scopesAt(now);
    return instances.map((instance) => {
      const license = licenses.get(instance.licenseId);
      if (!license) throw new Error(`instance ${instance.id} has no license`);
      const record = { ...instance, gitlabVersion: versionOf(instance) };
      const own = purchases.get(license.id) ?? [];
      const scopes = scopesOf(license, own, record.gitlabVersion);
      const entitled = { license, scopes, tokensRevoked: revoked.has(instance.id) };
      const live = tokens.get(instance.id) ?? [];
      return { instance, health: instanceHealth(record, live, instance.tokenJti, entitled, now) };
    });
  }

  /** Resolves once for all instances with the same plan, add-ons and version. */
  private scopesAt(now: Date) {
    const resolved = new Map<string, readonly string[]>();
    return (
      license: License,
      active: readonly AddOnPurchase[],
      version: GitlabVersion | null,
    ): readonly string[] => {
      const addOns = active.map(({ addOn }) => addOn).sort();
      const key = JSON.stringify([license.plan, version?.text, ...addOns]);
      const known = resolved.get(key);
      if (known) return known;
      const { scopes } = this.entitlements.resolve(license, active, version, now);
      resolved.set(key, scopes);
      return scopes;
    };
  }
}

function versionOf({ gitlabVersion }: InstanceToAssess): GitlabVersion | null {
  return gitlabVersion === null ? null : recordedVersion(gitlabVersion);
}
