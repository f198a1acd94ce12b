import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { InstanceHealth } from '../domain/instance-health.js';
import { MAX_TTL_SECONDS } from '../domain/service-token-claims.js';
import { Database } from '../database/database.js';
import { ExamineInstances } from './examine-instances.js';
import { type Excess, ExcessRepository, type SweptInstance } from './excess.repository.js';

export interface Swept {
  readonly instance: SweptInstance;
  /** Null when it has had no token for so long that none can be live: nothing was looked up. */
  readonly health: InstanceHealth | null;
}

const PER_PAGE = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** Walks instances page by page and keeps in their rows what their tokens say too much. */
@Injectable()
export class SweepPages implements BeforeApplicationShutdown {
  private stopping = false;
  private page: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly excess: ExcessRepository,
    private readonly examination: ExamineInstances,
  ) {}

  /** Whether a walk ended before it came to the end of the instances. */
  get isStopping(): boolean {
    return this.stopping;
  }

  /** Stops walks between two pages, while there is a database to tell. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.page.catch(() => undefined);
  }

  /** All instances, or those of `licenseIds`; a page is stored before it is yielded. */
  async *sweep(now: Date, licenseIds: readonly string[] | null): AsyncGenerator<readonly Swept[]> {
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
  ): Promise<readonly Swept[]> {
    const { manager } = this.database;
    const page = await this.excess.page(manager, after, PER_PAGE, licenseIds);
    const swept = await this.examine(page, now);
    await this.excess.store(manager, swept.flatMap(changeOf));
    return swept;
  }

  private async examine(page: readonly SweptInstance[], now: Date): Promise<Swept[]> {
    const recent = page.filter((instance) => mayHoldToken(instance, now));
    const rest = page.filter((instance) => !mayHoldToken(instance, now));
    const examined = await this.examination.examine(this.database.manager, recent, now);
    return [...examined, ...rest.map((instance) => ({ instance, health: null }))];
  }
}

/** Those that were looked up come before the others. */
function lastId(swept: readonly Swept[]): string | undefined {
  return swept
    .map(({ instance }) => instance.id)
    .sort()
    .at(-1);
}

function mayHoldToken({ lastSyncAt }: SweptInstance, now: Date): boolean {
  return lastSyncAt !== null && lastSyncAt.getTime() > now.getTime() - MAX_TTL_SECONDS * 1000;
}

/** What is to be stored, if that is not what stands there. */
function changeOf({ instance, health }: Swept): Excess[] {
  const until = health?.excessUntil ?? null;
  const scopes = health && until !== null ? health.excessScopes : null;
  const unchanged =
    instance.excessUntil?.getTime() === until?.getTime() &&
    instance.excessScopes?.join() === scopes?.join();
  return unchanged ? [] : [{ id: instance.id, scopes, until }];
}
