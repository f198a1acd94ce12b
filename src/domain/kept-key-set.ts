import { type KeyPolicy, type LifecycleKey, planKeyRotation } from './plan-key-rotation.js';
import type { KeySetDocument } from './published-document.js';

/**
 * Until when a key set that is kept now holds the key that signs: until the schedule retires its newest
 * key. Null without keys.
 */
export function holdsSignerUntil(keys: readonly LifecycleKey[], policy: KeyPolicy): Date | null {
  // The instant of a switch depends on its keys alone, not on `now`.
  const steps = planKeyRotation(keys, policy, new Date(0));
  const nextSwitch = steps.find(({ step }) => step.step === 'switch')?.dueAt;
  const newestSignsFrom =
    nextSwitch ?? keys.find(({ phase }) => phase === 'current')?.signsFrom ?? null;
  return newestSignsFrom && new Date(newestSignsFrom.getTime() + policy.rotationSeconds * 1000);
}

/** The kept keys, and what DATA_DIR says about them. */
export interface KeptKeySet {
  readonly document: KeySetDocument;
  readonly holdsSignerUntil: Date | null;
  /** Whether a key has been unpublished since. */
  readonly isUnpublished: (kid: string) => boolean;
  /** Whether other replicas may have switched keys meanwhile. */
  readonly hasOtherReplicas: boolean;
}

/** Why the kept keys must not be published; null when they may. */
export function keptKeySetFault(kept: KeptKeySet, now: Date): string | null {
  const gone = kept.document.keys.map(({ kid }) => kid).filter((kid) => kept.isUnpublished(kid));
  if (gone.length > 0) return `${gone.join(', ')} has been unpublished since`;
  const until = kept.holdsSignerUntil;
  if (!kept.hasOtherReplicas || until === null || now < until) return null;
  return `by their schedule, the key that signs has been missing since ${until.toISOString()}`;
}
