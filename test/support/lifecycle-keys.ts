import type { KeyPolicy, LifecycleKey } from '../../src/domain/plan-key-rotation.js';

export const DAY = 86_400;
/** How long a key is published before it may sign, under `POLICY`. */
export const LEAD = 95_040;
export const POLICY: KeyPolicy = { rotationSeconds: 90 * DAY, jwksCacheSeconds: DAY };
export const START = new Date('2026-03-01T00:00:00Z');

/** So many seconds after `START`. */
export const at = (seconds: number): Date => new Date(START.getTime() + seconds * 1000);

/** A next key since `START`, by default. */
export function key(kid: string, about: Partial<LifecycleKey> = {}): LifecycleKey {
  return {
    kid,
    phase: 'next',
    publishedAt: START,
    signsFrom: null,
    retiredAt: null,
    tokensExpireBy: null,
    revokedAt: null,
    unpublishedAt: null,
    ...about,
  };
}

export const current = (about: Partial<LifecycleKey> = {}): LifecycleKey =>
  key('current', { phase: 'current', signsFrom: START, ...about });

export const retired = (about: Partial<LifecycleKey> = {}): LifecycleKey =>
  key('retired', { phase: 'retired', signsFrom: START, retiredAt: START, ...about });
