import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, ValidateBy, ValidateIf, buildMessage, isEmail } from 'class-validator';
import { isCalendarDay } from '../domain/calendar-day.js';
import { recordedVersion } from '../domain/gitlab-version.js';
import { isUuid } from '../domain/uuid.js';
import { parseUtcInstant } from '../domain/utc-instant.js';

// C0 and C1 controls. Postgres refuses NUL, and no name needs the others.
const CONTROL_CHARACTER = /\p{Cc}/u;
// UTF-8 has no form for half of a pair, so it would be stored as U+FFFD.
const LONE_SURROGATE = /\p{Surrogate}/u;
// RFC 5321 section 4.5.3.1.3: a path of 256 octets, two of which are its angle brackets.
const MAX_EMAIL_ADDRESS_LENGTH = 254;

export const MAX_INTEGER = 2_147_483_647;

const FLAGS = ['true', 'false'] as const;
export type Flag = (typeof FLAGS)[number];

/** The member may be left out. Unlike class-validator's `IsOptional`, null is not "left out". */
export function MayBeAbsent(): PropertyDecorator {
  return ValidateIf((_body: object, value: unknown) => value !== undefined);
}

/** The member may be null, which clears it, or be left out. */
export function MayBeNull(): PropertyDecorator {
  return ValidateIf((_body: object, value: unknown) => value !== undefined && value !== null);
}

/** An optional parameter of a query that is `true` or `false`. */
export function FlagParameter(options: { readonly description?: string } = {}): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({ enum: FLAGS, ...options }),
    MayBeAbsent(),
    IsIn(FLAGS, { message: 'must be true or false' }),
  );
}

/** Null for a flag that the query leaves out. */
export function flagOf(flag: Flag | undefined): boolean | null {
  return flag === undefined ? null : flag === 'true';
}

/** A day in UTC that the calendar has, as `YYYY-MM-DD`. */
export function IsDay(): PropertyDecorator {
  return rule('isDay', 'must be a day as YYYY-MM-DD', isDay);
}

/** A string of 1 to `max` characters, not only white space, well-formed, without control characters. */
export function IsText(max = 255): PropertyDecorator {
  return rule(
    'isText',
    `must be a text of 1 to ${max} characters without control characters`,
    (value) => isText(value, max),
  );
}

/** A list of texts as in `IsText`. */
export function EachIsText(max = 255): PropertyDecorator {
  return rule(
    'eachIsText',
    `must have texts of 1 to ${max} characters without control characters`,
    (value) => Array.isArray(value) && value.every((item: unknown) => isText(item, max)),
  );
}

/** A text that may have several lines. The database must be able to store it unchanged. */
export function IsTextOfLines(min: number, max: number): PropertyDecorator {
  return rule(
    'isTextOfLines',
    // One rule for all, because of several rules only the last one is reported.
    `must be a text of at least ${min} and at most ${max} characters, well-formed Unicode`,
    (value) => isWellFormed(value) && value.length >= min && value.length <= max,
  );
}

export function IsEmailAddress(): PropertyDecorator {
  // `isText` first: `isEmail` throws on a lone surrogate, and accepts control characters in quotes.
  return rule(
    'isEmailAddress',
    'must be an e-mail address',
    (value) => isText(value, MAX_EMAIL_ADDRESS_LENGTH) && isEmail(value),
  );
}

/** An instant as ISO 8601; without an offset it is UTC, without a time the start of the day. */
export function IsInstant(): PropertyDecorator {
  return rule('isInstant', 'must be an instant like 2026-01-01T00:00:00Z', isInstant);
}

export function IsGitlabVersion(): PropertyDecorator {
  return rule('isGitlabVersion', 'must be a version like 18.5.0, or unknown', isGitlabVersion);
}

/** The rule of `IsText`. */
export function isText(value: unknown, max = 255): value is string {
  return (
    typeof value === 'string' &&
    value.trim() !== '' &&
    value.length <= max &&
    !CONTROL_CHARACTER.test(value) &&
    isWellFormed(value)
  );
}

function isWellFormed(value: unknown): value is string {
  return typeof value === 'string' && !LONE_SURROGATE.test(value);
}

function isInstant(value: unknown): boolean {
  return typeof value === 'string' && parseUtcInstant(value) !== null;
}

function isGitlabVersion(value: unknown): boolean {
  return typeof value === 'string' && recordedVersion(value) !== null;
}

/** A UUID. `what` names its object. */
export function IsUuid(what: string): PropertyDecorator {
  return rule(
    'isUuid',
    `must be ${what}, a UUID`,
    (value) => typeof value === 'string' && isUuid(value),
  );
}

/** A whole number from 1 to what a Postgres integer holds. */
export function IsCount(): PropertyDecorator {
  return IsWholeNumber(1, MAX_INTEGER);
}

export function IsWholeNumber(min: number, max: number): PropertyDecorator {
  return rule(
    'isWholeNumber',
    `must be a whole number from ${min} to ${max}`,
    (value) => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
  );
}

function isDay(value: unknown): boolean {
  return typeof value === 'string' && isCalendarDay(value);
}

function rule(
  name: string,
  message: string,
  validate: (value: unknown) => boolean,
): PropertyDecorator {
  return ValidateBy({
    name,
    validator: { validate, defaultMessage: buildMessage(() => message) },
  });
}
