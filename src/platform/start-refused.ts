/** An operator must correct something before the service can start. The message says what. */
export class StartRefusedError extends Error {
  override readonly name = 'StartRefusedError';
}
