/** Something that an operator may want to know; a closed set of names, for alerts. */
export interface LogEvent {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: LogEventName;
  /** A sentence for people; no token, key or code stands in it. */
  readonly message: string;
}

export type LogEventName =
  | 'activated'
  | 'seat_link_sent'
  | 'token_not_due'
  | 'token_stored'
  | 'tokens_revoked'
  | 'sync_denied'
  | 'sync_failed'
  | 'sync_postponed'
  | 'request_retried'
  | 'token_outdated'
  | 'clock_off'
  | 'check_failed';
