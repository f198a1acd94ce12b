/** Twice what the deepest body needs: a list of objects in an object in the body makes four. */
export const MAX_BODY_DEPTH = 8;
/** Twice what the longest body needs: 1000 users of a seat assignment, or 600 names of a token. */
export const MAX_BODY_VALUES = 2500;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
/** `[` is `{` without this bit, and `]` is `}` without it. */
const SQUARE = 0x20;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/**
 * Counts how deep and how wide a JSON text is, in one pass over its bytes and before it is parsed: parsing
 * and validation take time and memory for each level and each value. The text comes in pieces that may be
 * cut anywhere. It need not be valid JSON.
 */
export class BodyBounds {
  /** What is wrong with the text so far; null when nothing is. */
  fault: string | null = null;
  private depth = 0;
  private values = 0;
  private inString = false;
  private escaped = false;

  /** In UTF-8 all bytes of non-ASCII characters are above 0x7f, so bytes can be compared. */
  read(piece: Uint8Array): void {
    if (this.fault !== null) return;
    // Locals, because members of the object would make the loop four times as slow.
    let { depth, values, inString, escaped } = this;
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at] ?? 0;
      if (escaped) escaped = false;
      else if (inString) {
        if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) inString = true;
      else if (byte === COMMA) values += 1;
      else if ((byte | SQUARE) === OPEN) {
        depth += 1;
        values += 1;
        if (depth > MAX_BODY_DEPTH) break;
      } else if ((byte | SQUARE) === CLOSE) depth -= 1;
      if (values > MAX_BODY_VALUES) break;
    }
    this.depth = depth;
    this.values = values;
    this.inString = inString;
    this.escaped = escaped;
    this.fault = faultOf(depth, values);
  }
}

function faultOf(depth: number, values: number): string | null {
  if (depth > MAX_BODY_DEPTH) return `is more than ${MAX_BODY_DEPTH} levels deep`;
  if (values > MAX_BODY_VALUES) return `has more than ${MAX_BODY_VALUES} members and items`;
  return null;
}
