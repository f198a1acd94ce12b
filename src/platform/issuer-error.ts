/** Every error code with its HTTP status on the REST face. Codes never change. */
export const HTTP_STATUS_BY_CODE = {
  // Denials of a sync, in the order of the checks (contract of the sync protocol).
  BAD_REQUEST: 400,
  GITLAB_VERSION_INVALID: 422,
  ACTIVATION_CODE_GIVEN: 422,
  LICENSE_NOT_FOUND: 404,
  LICENSE_NOT_CLOUD: 422,
  LICENSE_REVOKED: 422,
  LICENSE_NOT_STARTED: 422,
  LICENSE_EXPIRED: 422,
  INSTANCE_ID_INVALID: 422,
  INSTANCE_UNKNOWN: 422,
  INSTANCE_AMBIGUOUS: 422,
  NOTHING_TO_GRANT: 422,
  // Refusals of an activation.
  ACTIVATION_CODE_UNKNOWN: 404,
  ACTIVATION_CODE_REVOKED: 422,
  ACTIVATION_CODE_EXPIRED: 422,
  ACTIVATION_CODE_USED_UP: 422,
  // The admin API.
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  LICENSE_KEY_TAKEN: 409,
  LICENSE_RENEWED_ALREADY: 409,
  PURCHASE_OVERLAPS: 409,
  PURCHASE_ENDED: 409,
  NAMESPACE_PLAN_DIFFERS: 409,
  SELF_ISSUED_TOKENS_OFF: 409,
  SEATS_EXHAUSTED: 409,
  SEATS_ASSIGNED: 409,
  ADD_ON_WITHOUT_SEATS: 422,
  ROTATION_TOO_EARLY: 409,
  KEYS_NOT_ACKNOWLEDGED: 409,
  NEXT_KEY_TOO_YOUNG: 409,
  PRECONDITION_FAILED: 412,
  REQUEST_TIMEOUT: 408,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UNSUPPORTED_CONTENT_ENCODING: 415,
  VALIDATION_FAILED: 422,
  REQUEST_HEADER_TOO_LARGE: 431,
  // Try again.
  RATE_LIMITED: 429,
  UNAVAILABLE: 503,
  // A bug.
  INTERNAL: 500,
} as const satisfies Record<string, number>;

export type IssuerErrorCode = keyof typeof HTTP_STATUS_BY_CODE;

/** One wrong member: where it is (JSON pointer of the body, or name of the parameter) and why. */
export type ErrorDetail =
  | { readonly pointer: string; readonly detail: string }
  | { readonly parameter: string; readonly detail: string };

export interface IssuerErrorExtras {
  readonly errors?: readonly ErrorDetail[];
  readonly retryAfterSeconds?: number;
  /** Further members of the problem, such as the instant from which a refused action is allowed. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Headers that belong to the status, such as `allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For the log only: the license that is denied. */
  readonly licenseId?: string;
  /** For the log only. */
  readonly cause?: unknown;
}

/** An error for the caller: a code for programs, and a message that says what to do. */
export class IssuerError extends Error {
  readonly errors: readonly ErrorDetail[];
  readonly retryAfterSeconds: number | undefined;
  readonly members: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  /** For the log only: the license that the caller asked with, once it is known. */
  licenseId: string | undefined;

  constructor(
    readonly code: IssuerErrorCode,
    message: string,
    extras: IssuerErrorExtras = {},
  ) {
    super(message, { cause: extras.cause });
    this.name = 'IssuerError';
    this.errors = extras.errors ?? [];
    this.retryAfterSeconds = extras.retryAfterSeconds;
    this.members = extras.members ?? {};
    this.licenseId = extras.licenseId;
    this.headers = extras.headers ?? {};
  }

  get status(): number {
    return HTTP_STATUS_BY_CODE[this.code];
  }
}
