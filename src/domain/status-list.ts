/** How many tokens one status list tells of. A list has all its bits from the first token on. */
export const STATUS_LIST_BITS = 2 ** 20;

/** Where a status list tells of a token: the `status_list` of its claim `status`. */
export interface StatusReference {
  readonly idx: number;
  readonly uri: string;
}

/** @param statusIndex the token's place among all tokens that status lists tell of */
export function statusReferenceOf(issuer: string, statusIndex: number): StatusReference {
  const list = Math.floor(statusIndex / STATUS_LIST_BITS);
  return { idx: statusIndex % STATUS_LIST_BITS, uri: `${issuer}/status/${list}` };
}
