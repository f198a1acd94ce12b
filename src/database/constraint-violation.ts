import { QueryFailedError } from 'typeorm';
import type { IssuerError } from '../platform/issuer-error.js';

/** What each constraint of a table means to a caller, by the constraint's name. */
export type ErrorByConstraint = Readonly<Record<string, (cause: unknown) => IssuerError>>;

/** The name of the constraint that `error` says was violated; null for any other error. */
export function violatedConstraint(error: unknown): string | null {
  const name = said(error, 'constraint');
  return typeof name === 'string' ? name : null;
}

/** The detail that came with a violated constraint; empty when there was none. */
export function detailOfViolation(error: unknown): string {
  const detail = said(error, 'detail');
  return typeof detail === 'string' ? detail : '';
}

/** Runs `write`; a violated constraint becomes the error that its name stands for. */
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

function said(error: unknown, member: 'constraint' | 'detail'): unknown {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return driverError instanceof Error ? Reflect.get(driverError, member) : null;
}
