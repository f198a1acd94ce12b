import { type ArgumentMetadata, ValidationPipe, type ValidationError } from '@nestjs/common';
import { type ErrorDetail, IssuerError } from '../platform/issuer-error.js';
import { pointerToken, shortened } from './pointer.js';
import { REPEATED, repeatedMembers } from './repeated-members.js';

/** Names that every object has. class-validator finds them in its tables. */
const INHERITED_NAMES: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

const UNKNOWN = 'is not a member that this request knows';
/** Answers should not be larger than their requests: they name this many faults. */
const MAX_ERRORS = 100;
/** More than any query has. class-validator compares each unknown name with all others. */
const MAX_PARAMETERS = 50;

/**
 * Finds faults that the rule of a single member cannot see: between two members, or against the catalog.
 * @param body only the members that are right by themselves
 * @param wrong the names of the others
 */
export type FurtherFaults<Body> = (
  body: Readonly<Partial<Body>>,
  wrong: ReadonlySet<string>,
) => readonly ErrorDetail[];

/** The faults for which `check` would refuse a request, to be reported together with others. */
export function faultsOf(check: () => unknown): readonly ErrorDetail[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof IssuerError && error.code === 'VALIDATION_FAILED') return error.errors;
    throw error;
  }
}

function detailsOf(errors: readonly ValidationError[], parent = '#'): ErrorDetail[] {
  return errors.flatMap((error) => {
    const pointer = `${parent}/${pointerToken(error.property)}`;
    const own = Object.entries(error.constraints ?? {}).map(([rule, detail]) => ({
      pointer,
      detail: rule === 'whitelistValidation' ? UNKNOWN : detail,
    }));
    return [...own, ...detailsOf(error.children ?? [], pointer)];
  });
}

/** Unknown members that class-validator accepts, because its tables inherit them: `toString`, `constructor`. */
function inheritedNames(value: object, parent = '#'): ErrorDetail[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const pointer = `${parent}/${pointerToken(name)}`;
    if (INHERITED_NAMES.has(name)) return [{ pointer, detail: UNKNOWN }];
    return typeof inner === 'object' && inner !== null ? inheritedNames(inner, pointer) : [];
  });
}

/** A copy without the members that `inheritedNames` blames. */
function withoutInherited(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutInherited);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([name]) => !INHERITED_NAMES.has(name));
  return Object.fromEntries(members.map(([name, inner]) => [name, withoutInherited(inner)]));
}

function unacceptable(what: string, errors: readonly ErrorDetail[]): IssuerError {
  return new IssuerError('VALIDATION_FAILED', `The ${what} that cannot be accepted.`, {
    errors: errors.slice(0, MAX_ERRORS),
  });
}

function unacceptableBody(errors: readonly ErrorDetail[]): IssuerError {
  return unacceptable('body has members', errors);
}

function unacceptableQuery(errors: readonly ErrorDetail[]): IssuerError {
  return unacceptable('query has parameters', errors);
}

/** The refusal of a query of a request that takes none. */
export function unknownParameters(names: readonly string[]): IssuerError {
  return unacceptableQuery(names.map((name) => ({ parameter: shortened(name), detail: UNKNOWN })));
}

const REFUSE_WHAT_IS_UNKNOWN = {
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  stopAtFirstError: true,
  validationError: { target: false, value: false },
} as const;

/** Reads a body or a query, and reports every fault at once. */
abstract class Validation<Input extends object> extends ValidationPipe {
  constructor(
    exceptionFactory: (errors: ValidationError[]) => IssuerError,
    private readonly further: FurtherFaults<Input>,
  ) {
    super({ ...REFUSE_WHAT_IS_UNKNOWN, exceptionFactory });
  }

  /** @param faults what is known to be wrong already */
  protected async read(
    value: object,
    metadata: ArgumentMetadata,
    faults: readonly ErrorDetail[],
  ): Promise<{ readonly read: unknown; readonly faults: readonly ErrorDetail[] }> {
    let read: unknown;
    // One reason for each place.
    const byPlace = new Map(faults.map((fault) => [placeOf(fault), fault]));
    try {
      read = await super.transform(value, metadata);
    } catch (error) {
      if (!(error instanceof IssuerError)) throw error;
      for (const fault of error.errors) {
        if (!byPlace.has(placeOf(fault))) byPlace.set(placeOf(fault), fault);
      }
    }
    const all = [...byPlace.values()];
    const wrong = new Set(all.map(memberOf));
    const members = Object.entries(value).filter(([name]) => !wrong.has(name));
    // A member that is right by itself has its declared type.
    const right = Object.fromEntries(members) as Partial<Input>;
    return { read, faults: [...all, ...this.further(right, wrong)] };
  }
}

function placeOf(fault: ErrorDetail): string {
  return 'parameter' in fault ? fault.parameter : fault.pointer;
}

/** The member of the body, or the parameter, that a fault is in. */
function memberOf(fault: ErrorDetail): string {
  if ('parameter' in fault) return fault.parameter;
  const [, token = ''] = fault.pointer.split('/');
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** Turns a body into its DTO. It coerces nothing, and refuses unknown members by name. */
export class BodyValidation<Body extends object> extends Validation<Body> {
  /** @param absent what counts as the body when there is none; a body is required without it */
  constructor(
    further: FurtherFaults<Body> = () => [],
    private readonly absent?: object,
  ) {
    super(
      (errors) => new IssuerError('VALIDATION_FAILED', '', { errors: detailsOf(errors) }),
      further,
    );
  }

  override async transform(body: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const value: unknown = body === undefined || body === null ? this.absent : body;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new IssuerError('VALIDATION_FAILED', 'The body must be a JSON object.', {
        errors: [{ pointer: '#', detail: 'must be a JSON object' }],
      });
    }
    const inherited = inheritedNames(value);
    const known = inherited.length > 0 ? (withoutInherited(value) as object) : value;
    const before = [...repeatedMembers(value), ...inherited];
    const { read, faults } = await this.read(known, metadata, before);
    if (faults.length > 0) throw unacceptableBody(faults);
    return read;
  }
}

/** Turns a query into its DTO in the same way. */
export class QueryValidation<Query extends object> extends Validation<Query> {
  constructor(further: FurtherFaults<Query> = () => []) {
    super(
      (errors) => new IssuerError('VALIDATION_FAILED', '', { errors: parametersOf(errors) }),
      further,
    );
  }

  override async transform(query: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const given = Object.entries(Object(query) as object) as [name: string, value: unknown][];
    const names = given.map(([name]) => name);
    if (names.length > MAX_PARAMETERS) {
      throw new IssuerError(
        'VALIDATION_FAILED',
        `The query has more than ${MAX_PARAMETERS} parameters: send only those that this request knows.`,
      );
    }
    const inherited = names.filter((name) => INHERITED_NAMES.has(name));
    const repeated = given.filter(([, value]) => Array.isArray(value));
    const known = given
      .filter(([name]) => !INHERITED_NAMES.has(name))
      .map(([name, value]): [string, unknown] => [name, Array.isArray(value) ? value[0] : value]);
    const { read, faults } = await this.read(Object.fromEntries(known), metadata, [
      ...inherited.map((parameter) => ({ parameter, detail: UNKNOWN })),
      ...repeated.map(([name]) => ({ parameter: shortened(name), detail: REPEATED })),
    ]);
    if (faults.length > 0) throw unacceptableQuery(faults);
    return read;
  }
}

function parametersOf(errors: readonly ValidationError[]): ErrorDetail[] {
  return errors.flatMap((error) =>
    detailsOf([error]).map(({ detail }) => ({ parameter: shortened(error.property), detail })),
  );
}

/** For a body without further rules. */
export const bodyValidation = new BodyValidation();

/** The same for an action with an optional body. */
export const optionalBodyValidation = new BodyValidation(undefined, {});

/** The same for a query string. */
export const queryValidation = new QueryValidation();
