import type { PlannedStep } from '../domain/plan-key-rotation.js';
import type { ReplicasBehind } from './replica.repository.js';

/** Replicas look every ten seconds: what is later than this is not on its way. */
const OVERDUE_AFTER_MS = 60_000;

export type RotationState = 'scheduled' | 'waiting' | 'overdue' | 'unknown';

/**
 * Whether the next step of the keys' lifecycle will be, or should have been, taken; `waiting` while a
 * switch that is due waits for replicas.
 */
export function rotationState(
  next: PlannedStep | null,
  now: Date,
  waitsFor: Pick<ReplicasBehind, 'total'>,
): RotationState {
  if (next === null) return 'unknown';
  if (waitsFor.total > 0) return 'waiting';
  return now.getTime() - next.dueAt.getTime() > OVERDUE_AFTER_MS ? 'overdue' : 'scheduled';
}
