import { QueryFailedError } from 'typeorm';
import type { IssuerError } from '../platform/issuer-error.js';

/** The error for a caller when a constraint is violated, by the name of the constraint. */
export type ErrorByConstraint = Readonly<Record<string, (cause: unknown) => IssuerError>>;

/** The name of the violated constraint; null for any other error. */
export function violatedConstraint(error: unknown): string | null {
  const name = memberOf(error, 'constraint');
  return typeof name === 'string' ? name : null;
}

/** The detail of a violated constraint; empty without one. */
export function detailOfViolation(error: unknown): string {
  const detail = memberOf(error, 'detail');
  return typeof detail === 'string' ? detail : '';
}

/** Runs `write`, and turns a violated constraint into the error of its name. */
export async function translatingConstraints<Result>(
  errors: ErrorByConstraint,
  write: () => Promise<Result>,
): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    const constraint = violatedConstraint(error);
    const translate = new Map(Object.entries(errors)).get(constraint ?? '');
    throw translate ? translate(error) : error;
  }
}

function memberOf(error: unknown, member: 'constraint' | 'detail'): unknown {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return driverError instanceof Error ? Reflect.get(driverError, member) : null;
}
