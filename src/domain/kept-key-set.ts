import { type KeyPolicy, type LifecycleKey, planKeyRotation } from './plan-key-rotation.js';
import type { KeySetDocument } from './published-document.js';

/**
 * Until when a key set that is kept now is sure to hold the key that signs, as long as the schedule is
 * kept: until its newest key has been rotated out. Null without keys.
 */
export function holdsSignerUntil(keys: readonly LifecycleKey[], policy: KeyPolicy): Date | null {
  // The instant of a switch depends on its keys alone, whatever `now` is.
  const steps = planKeyRotation(keys, policy, new Date(0));
  const nextSwitch = steps.find(({ step }) => step.step === 'switch')?.dueAt;
  const newestSignsFrom =
    nextSwitch ?? keys.find(({ phase }) => phase === 'current')?.signsFrom ?? null;
  return newestSignsFrom && new Date(newestSignsFrom.getTime() + policy.rotationSeconds * 1000);
}

/** The keys of the last run, and what this folder knows about them. */
export interface KeptKeySet {
  readonly document: KeySetDocument;
  /** Null: the set was kept by a version that did not note it. */
  readonly holdsSignerUntil: Date | null;
  /** Whether a key was revoked or forgotten since. */
  readonly isDropped: (kid: string) => boolean;
  /** Whether other replicas may have gone on with the schedule meanwhile. */
  readonly hasOtherReplicas: boolean;
}

/** Why a kept set must not be published, as a sentence; null when it may. */
export function keptKeySetFault(kept: KeptKeySet, now: Date): string | null {
  const dropped = kept.document.keys.map(({ kid }) => kid).filter((kid) => kept.isDropped(kid));
  if (dropped.length > 0) {
    return `it has ${dropped.join(', ')}, which was revoked or forgotten since`;
  }
  const until = kept.holdsSignerUntil;
  if (!kept.hasOtherReplicas || until === null || now < until) return null;
  return `by its schedule it has lacked the key that signs since ${until.toISOString()}`;
}
