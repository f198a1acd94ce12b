import { dayOf } from './calendar-day.js';
import type { Catalog, UnitPrimitive } from './catalog.js';

/** A unit primitive that no license can be granted by any purchase, with the reasons. */
export interface OutOfReach {
  readonly name: string;
  readonly reasons: readonly string[];
}

/** GitLab brings out a major version a year. */
const HIGHEST_MAJOR = 99;

/** The unit primitives that nobody can be granted at `now`, sorted by name. */
export function outOfReach({ unitPrimitives }: Catalog, now: Date): OutOfReach[] {
  return unitPrimitives
    .map((candidate) => ({ name: candidate.name, reasons: reasonsOf(candidate, now) }))
    .filter(({ reasons }) => reasons.length > 0);
}

function reasonsOf(candidate: UnitPrimitive, now: Date): string[] {
  const { audiences, cutOffDate, addOns } = candidate;
  const reasons: string[] = [];
  if (audiences.length === 0) reasons.push('no backend service accepts it');

  const paid = cutOffDate !== null && cutOffDate <= now;
  if (paid && addOns.length === 0) {
    reasons.push(`it must be paid for since ${dayOf(cutOffDate)}, and no add-on has it`);
  }
  const minimum = paid ? candidate.minGitlabVersion : candidate.minGitlabVersionForFreeAccess;
  if (minimum !== null && minimum.parts[0] > HIGHEST_MAJOR) {
    reasons.push(`it needs GitLab ${minimum.text}, and there is no such version`);
  }
  return reasons;
}
