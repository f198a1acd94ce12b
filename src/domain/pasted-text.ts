/**
 * White space, and characters without a width that come along with copied text: the soft hyphen, zero-width
 * space, joiners, the byte order mark, and the marks that control the direction of writing.
 */
const BLANK = /[\s\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]/;

/** The text without blanks around it. A loop: a regular expression takes long for many blanks inside. */
export function pastedText(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANK.test(text.charAt(start))) start += 1;
  while (end > start && BLANK.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}
