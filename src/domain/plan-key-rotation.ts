/** The lifecycle of a signing key: next -> current -> retired -> unpublished. */
export interface LifecycleKey {
  readonly kid: string;
  readonly phase: 'next' | 'current' | 'retired';
  readonly publishedAt: Date;
  /** When the last late replica began to publish it; absent or null when no replica was late. */
  readonly publishedLateAt?: Date | null;
  readonly signsFrom: Date | null;
  readonly retiredAt: Date | null;
  /** When the last of its tokens expires; null while it has signed none. */
  readonly tokensExpireBy: Date | null;
  readonly revokedAt: Date | null;
  readonly unpublishedAt: Date | null;
}

export interface KeyPolicy {
  /** How long a key signs. */
  readonly rotationSeconds: number;
  /** How long validators are assumed to cache the key set. */
  readonly jwksCacheSeconds: number;
}

export type KeyStep =
  /** For an empty database. No validator has cached a key set yet, so the first key may sign at once. */
  | { readonly step: 'publish_first' }
  /** For a database without a next key. */
  | { readonly step: 'publish_next' }
  /** Retires `from` (null when no key signs), lets `to` sign, and publishes a new next key. */
  | { readonly step: 'switch'; readonly from: string | null; readonly to: string }
  | { readonly step: 'unpublish'; readonly kid: string };

export interface PlannedStep {
  readonly step: KeyStep;
  readonly dueAt: Date;
}

const SECONDS_PER_DAY = 86_400;

export function keyPolicyOf(settings: {
  readonly signingKeyRotationDays: number;
  readonly jwksCacheSeconds: number;
}): KeyPolicy {
  return {
    rotationSeconds: settings.signingKeyRotationDays * SECONDS_PER_DAY,
    jwksCacheSeconds: settings.jwksCacheSeconds,
  };
}

/**
 * In percent of the time that validators cache keys. The 10 above 100 cover clocks that differ and slow
 * fetches.
 */
const LEAD_PERCENT = 110;

/** How long a key must be published before it may sign. */
export function leadSeconds({ jwksCacheSeconds }: KeyPolicy): number {
  return Math.ceil((jwksCacheSeconds * LEAD_PERCENT) / 100);
}

/** Since when every replica publishes the key, by their acknowledgements. */
export function publishedByAllFrom(
  key: Pick<LifecycleKey, 'publishedAt' | 'publishedLateAt'>,
): Date {
  return key.publishedLateAt ?? key.publishedAt;
}

/** When every validator knows the key. */
export function maySignFrom(
  key: Pick<LifecycleKey, 'publishedAt' | 'publishedLateAt'>,
  policy: KeyPolicy,
): Date {
  return after(publishedByAllFrom(key), leadSeconds(policy));
}

/**
 * The key that every replica must publish before the step is taken. Null for a step that waits for no
 * replica: when no key signs, waiting would make the outage longer.
 */
export function keyToAcknowledge(step: KeyStep): string | null {
  return step.step === 'switch' && step.from !== null ? step.to : null;
}

/** Every step that is due or planned, the earliest first. After a due step is taken, it is no longer planned. */
export function planKeyRotation(
  keys: readonly LifecycleKey[],
  policy: KeyPolicy,
  now: Date,
): readonly PlannedStep[] {
  if (keys.length === 0) return [{ step: { step: 'publish_first' }, dueAt: now }];
  const current = keys.find(({ phase }) => phase === 'current');
  const next = keys.find(({ phase }) => phase === 'next');
  const steps: PlannedStep[] = next
    ? [plannedSwitch(current, next, policy)]
    : [{ step: { step: 'publish_next' }, dueAt: now }];
  for (const key of keys) {
    const dueAt = unpublishAt(key, policy);
    if (dueAt) steps.push({ step: { step: 'unpublish', kid: key.kid }, dueAt });
  }
  return steps.sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime());
}

/** The first step of the plan that is due. */
export function dueStep(plan: readonly PlannedStep[], now: Date): KeyStep | null {
  const [first] = plan;
  return first && first.dueAt <= now ? first.step : null;
}

/**
 * When a retired key is unpublished: its last token has expired, and then every validator has renewed
 * its cache. The time counts from its retirement at the earliest, so a clock that runs ahead for a while
 * takes no key from validators. Null for a key that is not retired.
 */
export function unpublishAt(key: LifecycleKey, policy: KeyPolicy): Date | null {
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

/** Replicas look for due steps every ten seconds. A step that is later than this is stuck. */
const OVERDUE_AFTER_MS = 60_000;

/** `waiting`: a due switch waits for replicas that have not acknowledged the next key. */
export type RotationState = 'scheduled' | 'waiting' | 'overdue' | 'unknown';

/** @param waitsFor the number of replicas that a due switch waits for */
export function rotationState(
  next: PlannedStep | null,
  now: Date,
  waitsFor: number,
): RotationState {
  if (next === null) return 'unknown';
  if (waitsFor > 0) return 'waiting';
  return now.getTime() - next.dueAt.getTime() > OVERDUE_AFTER_MS ? 'overdue' : 'scheduled';
}

function after(instant: Date, seconds: number): Date {
  return new Date(instant.getTime() + seconds * 1000);
}
