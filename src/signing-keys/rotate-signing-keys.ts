import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type KeyPolicy, type KeyStep, leadSeconds } from '../domain/plan-key-rotation.js';
import { Clock, CLOCK_SETTLES_MS } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { KeyPlan, type Wanted } from './key-plan.js';
import { PrepareKeys } from './prepare-keys.js';
import type { GeneratedKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

/** Every plan needs fewer steps. An endless plan is a bug. */
const MOST_STEPS = 20;

/**
 * Takes the due steps of the plan, on any number of replicas at once. Keys are made outside the
 * transaction. Inside it, under a lock, the plan is made again, and only a step that is still due is taken.
 */
@Injectable()
export class RotateSigningKeys {
  constructor(
    private readonly database: Database,
    private readonly keys: SigningKeyRepository,
    private readonly prepare: PrepareKeys,
    private readonly plan: KeyPlan,
    private readonly clock: Clock,
  ) {}

  get policy(): KeyPolicy {
    return this.plan.policy;
  }

  /**
   * Takes every due step; none while the clock may be wrong.
   * @returns the steps that this replica took
   */
  async carryOutDue(): Promise<readonly KeyStep[]> {
    return this.clock.isSettled() ? this.carryOutAll() : [];
  }

  /** Takes every due step that is `wanted`, even with a wrong clock. Each step is one transaction. */
  async carryOutAll(wanted: Wanted = () => true): Promise<readonly KeyStep[]> {
    const done: KeyStep[] = [];
    for (let turns = 0; turns < MOST_STEPS; turns += 1) {
      const step = await this.plan.due(this.database.manager, wanted);
      if (!step) return done;
      if (await this.carryOut(step, wanted)) done.push(step);
    }
    throw new Error('the plan of the signing keys is endless');
  }

  /**
   * Switches to the next key now instead of on schedule.
   * @throws {IssuerError} ROTATION_TOO_EARLY while validators may not know the next key;
   * KEYS_NOT_ACKNOWLEDGED while a replica has not acknowledged it
   */
  async switchNow(): Promise<void> {
    if (!this.clock.isSettled()) throw clockWasSet(this.clock.now());
    const done = await this.carryOutDue();
    // A due switch is the requested one.
    if (done.some(({ step }) => step === 'switch')) return;
    const { manager: outside } = this.database;
    const before = await this.keys.all(outside);
    const requested = await this.plan.requestedSwitch(outside, before);
    await this.prepare.around(requested, before, async (made) => {
      await this.database.transaction(async (manager) => {
        await this.keys.lockPlan(manager);
        const keys = await this.keys.all(manager);
        // Another replica has taken the requested switch.
        if (keys.some(({ kid, phase }) => kid === requested.to && phase === 'current')) return;
        const step = await this.plan.requestedSwitch(manager, keys);
        if (step.from === requested.from) await this.apply(manager, step, this.clock.now(), made);
      });
    });
  }

  /** @returns false when another replica took the step */
  private async carryOut(step: KeyStep, wanted: Wanted): Promise<boolean> {
    const before = await this.keys.all(this.database.manager);
    return this.prepare.around(step, before, (made) =>
      this.database.transaction(async (manager) => {
        await this.keys.lockPlan(manager);
        const due = await this.plan.due(manager, wanted);
        if (JSON.stringify(due) !== JSON.stringify(step)) return false;
        await this.apply(manager, step, this.clock.now(), made);
        return true;
      }),
    );
  }

  private async apply(
    manager: EntityManager,
    step: KeyStep,
    now: Date,
    made: readonly GeneratedKey[],
  ): Promise<void> {
    if (step.step === 'unpublish') return this.keys.unpublish(manager, step.kid, now);
    const [next, first] = made;
    if (!next) throw new Error('a step that publishes a key needs a new one');
    if (step.step === 'publish_first') {
      if (!first) throw new Error('the first step needs two new keys');
      await this.keys.insert(manager, first, 'current', now);
    }
    if (step.step === 'switch') {
      if (step.from !== null) await this.keys.retire(manager, step.from, now);
      const lead = leadSeconds(this.policy);
      const promotion = { signsFrom: now, leadSeconds: lead, outageAccepted: false };
      await this.keys.promote(manager, step.to, promotion);
    }
    return this.keys.insert(manager, next, 'next', now);
  }
}

function clockWasSet(now: Date): IssuerError {
  const allowedFrom = new Date(now.getTime() + CLOCK_SETTLES_MS);
  return new IssuerError(
    'ROTATION_TOO_EARLY',
    'The clock of this replica was set, so it is unknown how long validators have known the next key: ' +
      `check the clock, and rotate again from ${allowedFrom.toISOString()}.`,
    { members: { allowed_from: allowedFrom.toISOString() } },
  );
}
