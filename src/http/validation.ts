import { type ArgumentMetadata, ValidationPipe, type ValidationError } from '@nestjs/common';
import { type ErrorDetail, IssuerError } from '../platform/issuer-error.js';

/** Names that every object has. class-validator finds them in its tables. */
const INHERITED_NAMES: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

const UNKNOWN = 'is not a member that this request knows';
/** Answers should not be larger than their requests: they name this many faults, ... */
const MAX_ERRORS = 100;
/** ... and this much of a name. */
const MAX_NAME_LENGTH = 100;
/** More than any query has. class-validator compares each unknown name with all others. */
const MAX_PARAMETERS = 50;

/** The name of a member as a part of a JSON pointer (RFC 6901 section 3); a long one is cut. */
export function pointerToken(name: string): string {
  return shortened(name).replaceAll('~', '~0').replaceAll('/', '~1');
}

function shortened(name: string): string {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
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

function unacceptableBody(errors: readonly ErrorDetail[]): IssuerError {
  return new IssuerError('VALIDATION_FAILED', 'The body has members that cannot be accepted.', {
    errors: errors.slice(0, MAX_ERRORS),
  });
}

function unacceptableQuery(errors: readonly ErrorDetail[]): IssuerError {
  return new IssuerError('VALIDATION_FAILED', 'The query has parameters that cannot be accepted.', {
    errors: errors.slice(0, MAX_ERRORS),
  });
}

const REFUSE_WHAT_IS_UNKNOWN = {
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  stopAtFirstError: true,
  validationError: { target: false, value: false },
} as const;

class BodyValidation extends ValidationPipe {
  constructor(private readonly absent?: object) {
    super({
      ...REFUSE_WHAT_IS_UNKNOWN,
      exceptionFactory: (errors) => unacceptableBody(detailsOf(errors)),
    });
  }

  override async transform(body: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const value: unknown = body === undefined || body === null ? this.absent : body;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new IssuerError('VALIDATION_FAILED', 'The body must be a JSON object.', {
        errors: [{ pointer: '#', detail: 'must be a JSON object' }],
      });
    }
    const inherited = inheritedNames(value);
    if (inherited.length > 0) throw unacceptableBody(inherited);
    return super.transform(value, metadata) as Promise<unknown>;
  }
}

class QueryValidation extends ValidationPipe {
  constructor() {
    super({
      ...REFUSE_WHAT_IS_UNKNOWN,
      exceptionFactory: (errors) =>
        unacceptableQuery(
          errors.flatMap((error) =>
            detailsOf([error]).map(({ detail }) => ({
              parameter: shortened(error.property),
              detail,
            })),
          ),
        ),
    });
  }

  override async transform(query: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const names = typeof query === 'object' && query !== null ? Object.keys(query) : [];
    if (names.length > MAX_PARAMETERS) {
      throw new IssuerError(
        'VALIDATION_FAILED',
        `The query has more than ${MAX_PARAMETERS} parameters: send only those that this request knows.`,
      );
    }
    const inherited = names.filter((name) => INHERITED_NAMES.has(name));
    if (inherited.length > 0) {
      throw unacceptableQuery(inherited.map((parameter) => ({ parameter, detail: UNKNOWN })));
    }
    return super.transform(query, metadata) as Promise<unknown>;
  }
}

/** Turns a body into its DTO. It coerces nothing, and refuses unknown members by name. */
export const bodyValidation = new BodyValidation();

/** The same for an action with an optional body. */
export const optionalBodyValidation = new BodyValidation({});

/** The same for a query string. */
export const queryValidation = new QueryValidation();
