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

/** The claims of the note of a dropped day. */
export interface DroppedDayClaims {
  readonly iss: string;
  /** When it was dropped, in seconds. */
  readonly iat: number;
  readonly day: string;
  readonly tokens: number;
  /** The checkpoints that covered its batches; null without any. */
  readonly first_checkpoint: number | null;
  readonly last_checkpoint: number | null;
}
