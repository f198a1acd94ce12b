/** What an audit can find, as a closed set: programs and alerts match on the code. */
export const FINDING_CODES = [
  // A row says what no rule, purchase or configuration explains.
  'NOT_ENTITLED',
  'WRONG_INSTANCE',
  'UNEXPLAINED_SCOPES',
  'EXPIRES_TOO_LATE',
  'CLAIMS_DIFFER',
  'UNKNOWN_KEY',
  'KEY_NOT_CURRENT',
  'SNAPSHOT_CHANGED',
  // The ledger was tampered with.
  'NO_BATCH',
  'ROW_MISSING_OR_CHANGED',
  'CHAIN_BROKEN',
  'NO_CHECKPOINT',
  'CHECKPOINT_BROKEN',
  // A token was signed by nobody here, or by somebody who has a key of ours.
  'FOREIGN',
  'FORGED',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

export interface Finding {
  readonly finding: FindingCode;
  /** The token that it is about, if it is about one. */
  readonly jti?: string;
  /** The batch, as `<chain id>/<number>`. */
  readonly batch?: string;
  readonly checkpoint?: number;
  /** For people; holds no secret and no token. */
  readonly detail: string;
}

export type Report = (finding: Finding) => void;
