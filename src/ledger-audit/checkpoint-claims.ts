/** The claims of a checkpoint; hashes are hexadecimal. */
export interface CheckpointClaims {
  readonly iss: string;
  readonly iat: number;
  readonly number: number;
  /** The hash of the checkpoint before; null in the first. */
  readonly previous: string | null;
  readonly batches: number;
  readonly tokens: number;
  /** SHA-256 over a line of JSON for each batch: chain id, number, hash. */
  readonly batches_hash: string;
}
