/** A JSON value, or text that is signed as it is. The text need not be JSON. */
export type JwsPart = object | string;

/** The base64url of RFC 7515 section 2: no padding. */
export function encodedPart(part: JwsPart): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
}

/**
 * A compact JWS (RFC 7515 section 7.1) by hand: no library would make most of what backends must
 * refuse.
 * @param signed gives the signature of the signing input; a string is taken as its bytes in UTF-8
 */
export function compactJws(
  header: JwsPart,
  payload: JwsPart,
  signed: (signingInput: string) => Uint8Array | string,
): string {
  const input = `${encodedPart(header)}.${encodedPart(payload)}`;
  return `${input}.${Buffer.from(signed(input)).toString('base64url')}`;
}
