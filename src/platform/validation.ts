import { type ArgumentMetadata, ValidationPipe, type ValidationError } from '@nestjs/common';
import { type ErrorDetail, IssuerError } from './issuer-error.js';

/** RFC 6901 section 3. */
function escapePointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}

function detailsOf(errors: readonly ValidationError[], parent = '#'): ErrorDetail[] {
  return errors.flatMap((error) => {
    const pointer = `${parent}/${escapePointer(error.property)}`;
    const own = Object.entries(error.constraints ?? {}).map(([rule, detail]) => ({
      pointer,
      detail: rule === 'whitelistValidation' ? 'is not a member that this request knows' : detail,
    }));
    return [...own, ...detailsOf(error.children ?? [], pointer)];
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
      exceptionFactory: (errors) =>
        new IssuerError('VALIDATION_FAILED', 'The body has members that cannot be accepted.', {
          errors: detailsOf(errors),
        }),
    });
  }

  override async transform(body: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const value: unknown = body === undefined || body === null ? this.absent : body;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new IssuerError('VALIDATION_FAILED', 'The body must be a JSON object.', {
        errors: [{ pointer: '#', detail: 'must be a JSON object' }],
      });
    }
    return super.transform(value, metadata) as Promise<unknown>;
  }
}

/** Turns a body into its DTO: nothing is coerced, unknown members are refused by name. */
export const bodyValidation = new BodyValidation();

/** The same for an action, whose body may be left out. */
export const optionalBodyValidation = new BodyValidation({});

/** The same for a query string, whose members are parameters. */
export const queryValidation = new ValidationPipe({
  ...REFUSE_WHAT_IS_UNKNOWN,
  exceptionFactory: (errors) =>
    new IssuerError('VALIDATION_FAILED', 'The query has parameters that cannot be accepted.', {
      errors: errors.flatMap((error) =>
        detailsOf([error]).map(({ detail }) => ({ parameter: error.property, detail })),
      ),
    }),
});
