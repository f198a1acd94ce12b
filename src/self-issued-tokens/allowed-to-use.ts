import { Inject, Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { resolveSelfIssuedScopes } from '../domain/resolve-self-issued-scopes.js';
import type { SelfIssuedDecision } from '../domain/self-issued-decision.js';
import { Clock } from '../platform/clock.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { SelfIssuedSubjectRepository } from './self-issued-subject.repository.js';

export interface AllowedToUseQuestion {
  /** Null for a question about the namespace itself. */
  readonly user: string | null;
  /** With a user: only the seats of its purchases count. */
  readonly namespace: string | null;
  readonly unitPrimitive: string;
}

/** Answers whether a self-issued token would have the scope, and why. */
@Injectable()
export class AllowedToUse {
  constructor(
    private readonly subjects: SelfIssuedSubjectRepository,
    private readonly catalog: CatalogStore,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  /** Null for a unit primitive that the catalog does not have. */
  async decide(question: AllowedToUseQuestion): Promise<SelfIssuedDecision | null> {
    const now = this.clock.now();
    const { user, namespace, unitPrimitive } = question;
    const subject =
      user === null
        ? await this.subjects.namespace(namespace ?? '')
        : await this.subjects.explainedUser(user, namespace);
    const { catalog } = this.catalog.current();
    const wanted = new Set([unitPrimitive]);
    const { decisions } = resolveSelfIssuedScopes(subject, wanted, catalog, now, this.config);
    return decisions[0] ?? null;
  }
}
