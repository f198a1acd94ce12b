import { parseUtcInstant } from '../domain/utc-instant.js';

/**
 * A value without quotes that readers take for a number or a boolean, such as 16.10 (16.1) or `off` (false).
 * No field of a catalog has such a value.
 */
export class NotText {
  constructor(readonly written: string) {}
}

/** The forms that both Psych and PyYAML take for null. */
const NULL = /^(?:|~|null|Null|NULL)$/;
// In any case: Psych does not look at the case, PyYAML does.
const WORD = /^(?:null|true|false|yes|no|on|off|y|n)$/i;
const NUMBER = /^[-+]?(?:0[box][\da-f_,]*|(?=[.\d])[\d_,.:]*(?:e[-+]?\d+)?|\.(?:inf|nan))$/i;
/** Psych takes it for a number and fails at it. */
const NO_NUMBER = /^[-+]?(?:\.e[-+]\d+|0[bx][_,]*)$/i;
/** Psych makes a symbol of it, PyYAML finds no value for it, or both merge another mapping. */
const SIGN = /^(?::.+|=|<<)$/s;
const DATE_LIKE = /^-?\d{4}-\d{1,2}-\d{1,2}(?:(?:t|\s+)[\d:.]*(?:\s*(?:z|[-+][\d:]*))?)?$/i;
/** What both readers take for one and the same instant; Psych reads -00:30 as +00:30. */
const INSTANT =
  /^\d{4}-\d\d-\d\d(?:(?:[Tt]| +)\d\d:\d\d:\d\d(?:\.\d+)? *(?:Z|(?!-00:)[-+]\d\d:\d\d)?)?$/;

/**
 * What a value without quotes means to both Psych (Ruby) and PyYAML, the readers that catalogs are written
 * for. Both follow YAML 1.1, each with deviations of its own. Undefined if it means nothing to one of them,
 * or something else to each.
 */
export function plainScalar(written: string): string | null | Date | NotText | undefined {
  if (NULL.test(written)) return null;
  if (NO_NUMBER.test(written)) return undefined;
  if (WORD.test(written) || NUMBER.test(written)) return new NotText(written);
  if (INSTANT.test(written)) return parseUtcInstant(written) ?? undefined;
  return SIGN.test(written) || DATE_LIKE.test(written) ? undefined : written;
}
