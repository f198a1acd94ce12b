import type { PlannedStep } from '../domain/plan-key-rotation.js';

/** Replicas look every ten seconds: what is later than this is not on its way. */
const OVERDUE_AFTER_MS = 60_000;

export type RotationState = 'scheduled' | 'overdue' | 'unknown';

/** Whether the next step of the keys' lifecycle will be, or should have been, taken. */
export function rotationState(next: PlannedStep | null, now: Date): RotationState {
  if (next === null) return 'unknown';
  return now.getTime() - next.dueAt.getTime() > OVERDUE_AFTER_MS ? 'overdue' : 'scheduled';
}
