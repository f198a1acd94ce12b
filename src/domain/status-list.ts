/** The number of tokens in a status list. A list has all its bits from the start. */
export const STATUS_LIST_BITS = 2 ** 20;

/** The place of a token in a status list (draft-ietf-oauth-status-list section 6.2). */
export interface StatusReference {
  readonly idx: number;
  readonly uri: string;
}

/** @param statusIndex the token's place, counted over all status lists */
export function statusReferenceOf(issuer: string, statusIndex: number): StatusReference {
  const list = Math.floor(statusIndex / STATUS_LIST_BITS);
  return { idx: statusIndex % STATUS_LIST_BITS, uri: statusListUri(issuer, list) };
}

/** The address of a list, which is also its `sub`. */
export function statusListUri(issuer: string, list: number): string {
  return `${issuer}/status/${list}`;
}

/** The claims of a status list (section 5.1); instants and `ttl` are whole seconds. */
export interface StatusListClaims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly ttl: number;
  /** One bit for each token: 1 means INVALID (section 7.1). */
  readonly status_list: { readonly bits: 1; readonly lst: string };
}

/** The bits of 32 tokens, from `word * 32` on; the first one is the lowest bit. */
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
