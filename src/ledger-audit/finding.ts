/** Everything that an audit can find. Programs and alerts match on these codes. */
export const FINDING_CODES = [
  // No rule, purchase or configuration explains what a row says.
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
  // A token was not signed here, or by somebody else who has a key of ours.
  'FOREIGN',
  'FORGED',
] as const;

export type FindingCode = (typeof FINDING_CODES)[number];

export interface Finding {
  readonly finding: FindingCode;
  /** The token that the finding is about, if it is about one. */
  readonly jti?: string;
  /** `<chain id>/<number>`. */
  readonly batch?: string;
  readonly checkpoint?: number;
  /** For people. Holds no secret and no token. */
  readonly detail: string;
}

export type Report = (finding: Finding) => void;
