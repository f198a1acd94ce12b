import { TypeOverrides } from 'pg';

/** A value of the database cannot be read. Nothing in memory is replaced by it. */
export class UnreadableValueError extends Error {
  override readonly name = 'UnreadableValueError';
}

const DATE_OID = 1082;
/** Timestamps without and with time zone. */
const INSTANT_OIDS = [1114, 1184];
const DAY = /^\d{4,}-\d{2}-\d{2}$/;

/**
 * How values are read. `pg` by itself turns a date into local midnight, and what it cannot read into null:
 * a key whose day of retirement is unreadable would seem to have none.
 */
export function strictTypes(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(DATE_OID, (text: string) => {
    if (DAY.test(text)) return text;
    throw new UnreadableValueError(`the database wrote the day ${text}, which is not YYYY-MM-DD`);
  });
  for (const oid of INSTANT_OIDS) {
    const parse: (text: never) => unknown = new TypeOverrides().getTypeParser(oid, 'text');
    types.setTypeParser(oid, (text: string) => {
      const instant = parse(text as never);
      if (instant instanceof Date && !Number.isNaN(instant.getTime())) return instant;
      throw new UnreadableValueError(
        `the database wrote the instant ${text}, which cannot be read`,
      );
    });
  }
  return types;
}
