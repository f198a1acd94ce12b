/** A signing key as far as its lifecycle goes: next -> current -> retired -> forgotten. */
export interface LifecycleKey {
  readonly kid: string;
  readonly phase: 'next' | 'current' | 'retired';
  readonly publishedAt: Date;
  /** When the last replica began to publish it that was late; absent or null while none was. */
  readonly publishedLateAt?: Date | null;
  readonly signsFrom: Date | null;
  readonly retiredAt: Date | null;
  /** No token that it signed expires later; null while it has signed none. */
  readonly tokensExpireBy: Date | null;
  readonly revokedAt: Date | null;
  /** When it was forgotten: no longer published. */
  readonly unpublishedAt: Date | null;
}

export interface KeyPolicy {
  /** How long a key signs. */
  readonly rotationSeconds: number;
  /** How long validators are assumed to keep the keys that they fetched. */
  readonly jwksCacheSeconds: number;
}

export type KeyStep =
  /** An empty database: nobody has cached anything yet, so its first key may sign at once. */
  | { readonly step: 'publish-first' }
  /** There is no key standing by. */
  | { readonly step: 'publish-next' }
  /** Retire `from` (null when none signs), let `to` sign, and publish another to stand by. */
  | { readonly step: 'switch'; readonly from: string | null; readonly to: string }
  /** Publish `kid` no longer. */
  | { readonly step: 'forget'; readonly kid: string };

export interface PlannedStep {
  readonly step: KeyStep;
  readonly dueAt: Date;
}

/** In percent of the time that validators keep keys: clocks differ, and a fetch takes a while. */
const LEAD_PERCENT = 110;

/** How long a key has to be published before it may sign. */
export function leadSeconds({ jwksCacheSeconds }: KeyPolicy): number {
  return Math.ceil((jwksCacheSeconds * LEAD_PERCENT) / 100);
}

/** Since when every replica publishes the key, as far as their acknowledgements say. */
export function publishedByAllFrom(
  key: Pick<LifecycleKey, 'publishedAt' | 'publishedLateAt'>,
): Date {
  return key.publishedLateAt ?? key.publishedAt;
}

/** From when on every validator that keeps its caches as assumed knows the key. */
export function maySignFrom(
  key: Pick<LifecycleKey, 'publishedAt' | 'publishedLateAt'>,
  policy: KeyPolicy,
): Date {
  return after(publishedByAllFrom(key), leadSeconds(policy));
}

/**
 * The key that every replica must publish before the step is taken; null when the step waits for none.
 * Where no key signs, waiting would only make the outage longer.
 */
export function keyToAcknowledge(step: KeyStep): string | null {
  return step.step === 'switch' && step.from !== null ? step.to : null;
}

/**
 * Every step that is due or to come, the earliest first; a step that is long overdue has `now`. Carried out,
 * and planned again, it yields none that is due: twice does nothing.
 */
export function planKeyRotation(
  keys: readonly LifecycleKey[],
  policy: KeyPolicy,
  now: Date,
): readonly PlannedStep[] {
  if (keys.length === 0) return [{ step: { step: 'publish-first' }, dueAt: now }];
  const current = keys.find(({ phase }) => phase === 'current');
  const next = keys.find(({ phase }) => phase === 'next');
  const steps: PlannedStep[] = next
    ? [plannedSwitch(current, next, policy)]
    : [{ step: { step: 'publish-next' }, dueAt: now }];
  for (const key of keys) {
    const dueAt = forgetAt(key, policy);
    if (dueAt) steps.push({ step: { step: 'forget', kid: key.kid }, dueAt });
  }
  return steps.sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime());
}

/** The first step of the plan that is due. */
export function dueStep(plan: readonly PlannedStep[], now: Date): KeyStep | null {
  const [first] = plan;
  return first && first.dueAt <= now ? first.step : null;
}

/**
 * When a retired key is published no longer: once the last token that it can have signed has
 * expired and every validator's cache has been renewed since. Counted from its retirement too: a
 * clock that runs ahead for less than that takes no key from validators. Null for other keys.
 */
export function forgetAt(key: LifecycleKey, policy: KeyPolicy): Date | null {
  if (key.phase !== 'retired' || key.retiredAt === null || key.unpublishedAt !== null) return null;
  if (key.revokedAt !== null) return key.revokedAt;
  const lastUse = Math.max(key.retiredAt.getTime(), key.tokensExpireBy?.getTime() ?? 0);
  return after(new Date(lastUse), policy.jwksCacheSeconds);
}

function plannedSwitch(
  current: LifecycleKey | undefined,
  next: LifecycleKey,
  policy: KeyPolicy,
): PlannedStep {
  const allowed = maySignFrom(next, policy);
  const signsUntil = current?.signsFrom
    ? after(current.signsFrom, policy.rotationSeconds)
    : allowed;
  return {
    step: { step: 'switch', from: current?.kid ?? null, to: next.kid },
    dueAt: signsUntil > allowed ? signsUntil : allowed,
  };
}

function after(instant: Date, seconds: number): Date {
  return new Date(instant.getTime() + seconds * 1000);
}
