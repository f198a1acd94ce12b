/** How many tokens one status list tells of. A list has all its bits from the first token on. */
export const STATUS_LIST_BITS = 2 ** 20;

/** Where a status list tells of a token (draft-ietf-oauth-status-list section 6.2). */
export interface StatusReference {
  readonly idx: number;
  readonly uri: string;
}

/** @param statusIndex the token's place among all tokens that status lists tell of */
export function statusReferenceOf(issuer: string, statusIndex: number): StatusReference {
  const list = Math.floor(statusIndex / STATUS_LIST_BITS);
  return { idx: statusIndex % STATUS_LIST_BITS, uri: statusListUri(issuer, list) };
}

/** The address of a list, which is also the `sub` of what is found there. */
export function statusListUri(issuer: string, list: number): string {
  return `${issuer}/status/${list}`;
}

/** The claims of a status list (section 5.1); instants and `ttl` are whole seconds. */
export interface StatusListClaims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly ttl: number;
  /** One bit a token: 1 is INVALID (section 7.1). */
  readonly status_list: { readonly bits: 1; readonly lst: string };
}

/** 32 tokens of a list: those from `word * 32` on, the first in the lowest bit. */
export interface StatusWord {
  readonly word: number;
  /** Unsigned. */
  readonly bits: number;
}

/** The byte array of section 4.1: the first token is the lowest bit of the first byte. */
export function statusListBytes(words: readonly StatusWord[]): Uint8Array {
  const bytes = new Uint8Array(STATUS_LIST_BITS / 8);
  const view = new DataView(bytes.buffer);
  for (const { word, bits } of words) view.setUint32(word * 4, bits, true);
  return bytes;
}
