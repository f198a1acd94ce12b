/** JSON text that was made once and goes into many answers. */
export class EncodedJson {
  constructor(readonly text: string) {}
}

/**
 * `JSON.stringify`, but an `EncodedJson` goes in as the text that it is: the catalog is 25 times as
 * long as the rest of an answer and always the same.
 */
export function encodeAnswer(answer: unknown): string {
  const texts: string[] = [];
  // No other string of an answer can hold the mark: NUL is in no token, name or date.
  const marked = JSON.stringify(answer, (_name, value: unknown) =>
    value instanceof EncodedJson ? `\0${texts.push(value.text) - 1}\0` : value,
  );
  return texts.length === 0
    ? marked
    : marked.replace(
        /"\\u0000(\d+)\\u0000"/g,
        (_mark, index: string) => texts[Number(index)] ?? '',
      );
}
