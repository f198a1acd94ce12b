/** JSON text that was made once and goes into many answers. */
export class EncodedJson {
  readonly bytes: Buffer;

  constructor(text: string) {
    this.bytes = Buffer.from(text);
  }
}

const MARK = '\u0000';
/** The mark as `JSON.stringify` writes it, with the quotes of its string. */
const MARK_IN_JSON = '"\\u0000"';

/**
 * `JSON.stringify`, but an `EncodedJson` goes in as the bytes that it is: the catalog is 25 times as
 * long as the rest of an answer and always the same.
 */
export function encodeAnswer(answer: unknown): Buffer {
  const encoded: Buffer[] = [];
  // No other string of an answer can be the mark: no token, name or date is a single NUL.
  const text = JSON.stringify(answer, (_name, value: unknown) => {
    if (!(value instanceof EncodedJson)) return value;
    encoded.push(value.bytes);
    return MARK;
  });
  const [first = '', ...rest] = text.split(MARK_IN_JSON);
  const parts = rest.flatMap((part, index) => [encoded[index] ?? Buffer.of(), Buffer.from(part)]);
  return Buffer.concat([Buffer.from(first), ...parts]);
}
