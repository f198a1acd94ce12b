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

/** No plan needs more: whatever looks endless is a bug, and stops here. */
const MOST_STEPS = 20;

/**
 * Carries out what the plan of the keys says, on any number of replicas at once: keys are made
 * outside the transaction; inside it, under a lock, the plan is made again, and only what is due by
 * then is done.
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
   * Every step that is due; none while the clock may be wrong.
   * @returns what this replica did; often nothing
   */
  async carryOutDue(): Promise<readonly KeyStep[]> {
    return this.clock.isSettled() ? this.carryOutAll() : [];
  }

  /** Every step that is due and `wanted`, whatever was done to the clock; one transaction each. */
  async carryOutAll(wanted: Wanted = () => true): Promise<readonly KeyStep[]> {
    const done: KeyStep[] = [];
    for (let turns = 0; turns < MOST_STEPS; turns += 1) {
      const step = await this.plan.due(this.database.manager, wanted);
      if (!step) return done;
      if (await this.carryOut(step, wanted)) done.push(step);
    }
    throw new Error('the plan of the signing keys never comes to rest');
  }

  /**
   * Switches to the standby now instead of on schedule.
   * @throws {IssuerError} ROTATION_TOO_EARLY with `allowed_from`, while validators may not know it;
   * REPLICAS_BEHIND with `replicas`, while some replica does not publish it
   */
  async switchNow(): Promise<void> {
    if (!this.clock.isSettled()) throw clockWasSet(this.clock.now());
    const done = await this.carryOutDue();
    // It was due: that is the switch that was asked for.
    if (done.some(({ step }) => step === 'switch')) return;
    const { manager: outside } = this.database;
    const before = await this.keys.all(outside);
    const asked = await this.plan.switchAsked(outside, before);
    await this.prepare.around(asked, before, async (made) => {
      await this.database.transaction(async (manager) => {
        await this.keys.lockPlan(manager);
        const keys = await this.keys.all(manager);
        // Whoever was faster has switched already: that is what was asked for.
        if (keys.some(({ kid, phase }) => kid === asked.to && phase === 'current')) return;
        const step = await this.plan.switchAsked(manager, keys);
        if (step.from === asked.from) await this.apply(manager, step, this.clock.now(), made);
      });
    });
  }

  /** @returns whether it was still due when its turn came */
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
    if (step.step === 'forget') return this.keys.forget(manager, step.kid, now);
    const [next, first] = made;
    if (!next) throw new Error('a step that publishes a key needs a new one');
    if (step.step === 'publish-first') {
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
    'The clock of this replica was set, so nobody can tell how long validators have known the key ' +
      `that stands by: check it, and rotate again from ${allowedFrom.toISOString()}.`,
    { members: { allowed_from: allowedFrom.toISOString() } },
  );
}
