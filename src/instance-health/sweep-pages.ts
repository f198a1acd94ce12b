import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { InstanceHealth } from '../domain/instance-health.js';
import { MAX_TTL_SECONDS } from '../domain/service-token-claims.js';
import { Database } from '../database/database.js';
import { AssessInstances } from './assess-instances.js';
import {
  type ExcessScopes,
  ExcessScopesRepository,
  type InstanceToSweep,
} from './excess-scopes.repository.js';

export interface SweptInstance {
  readonly instance: InstanceToSweep;
  /** Null if its last token is so old that none can be live: then nothing was looked up. */
  readonly health: InstanceHealth | null;
}

const PER_PAGE = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Assesses instances page by page, and writes the excess scopes of their tokens into their rows. */
@Injectable()
export class SweepPages implements BeforeApplicationShutdown {
  private stopping = false;
  private page: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly excess: ExcessScopesRepository,
    private readonly assessment: AssessInstances,
  ) {}

  /** Whether a sweep ended before the last instance. */
  get isStopping(): boolean {
    return this.stopping;
  }

  /** Stops sweeps between two pages, while the database is still there. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.page.catch(() => undefined);
  }

  /** All instances, or those of `licenseIds`. A page is written before it is yielded. */
  async *sweep(
    now: Date,
    licenseIds: readonly string[] | null,
  ): AsyncGenerator<readonly SweptInstance[]> {
    let after: string | undefined = BEFORE_ALL;
    while (after !== undefined && !this.stopping) {
      const page = this.sweepPage(now, after, licenseIds);
      this.page = page;
      const swept = await page;
      yield swept;
      after = swept.length < PER_PAGE ? undefined : lastId(swept);
    }
  }

  private async sweepPage(
    now: Date,
    after: string,
    licenseIds: readonly string[] | null,
  ): Promise<readonly SweptInstance[]> {
    const { manager } = this.database;
    const page = await this.excess.page(manager, after, PER_PAGE, licenseIds);
    const swept = await this.assess(page, now);
    await this.excess.store(manager, swept.flatMap(changeOf));
    return swept;
  }

  private async assess(page: readonly InstanceToSweep[], now: Date): Promise<SweptInstance[]> {
    const recent = page.filter((instance) => mayHoldToken(instance, now));
    const rest = page.filter((instance) => !mayHoldToken(instance, now));
    const assessed = await this.assessment.assess(this.database.manager, recent, now);
    return [...assessed, ...rest.map((instance) => ({ instance, health: null }))];
  }
}

/** The page is not in order: instances that were looked up come first. */
function lastId(swept: readonly SweptInstance[]): string | undefined {
  return swept
    .map(({ instance }) => instance.id)
    .sort()
    .at(-1);
}

function mayHoldToken({ lastSyncAt }: InstanceToSweep, now: Date): boolean {
  return lastSyncAt !== null && lastSyncAt.getTime() > now.getTime() - MAX_TTL_SECONDS * 1000;
}

/** What to write; nothing if the row says it already. */
function changeOf({ instance, health }: SweptInstance): ExcessScopes[] {
  const until = health?.excessScopesUntil ?? null;
  const scopes = health && until !== null ? health.excessScopes : null;
  const unchanged =
    instance.excessScopesUntil?.getTime() === until?.getTime() &&
    instance.excessScopes?.join() === scopes?.join();
  return unchanged ? [] : [{ id: instance.id, scopes, until }];
}
