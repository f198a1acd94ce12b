const A_DAY_MS = 86_400_000;

/** A signing key on an HSM. */
export interface HsmKey {
  readonly kid: string;
  /** Which issuer made it: several issuers may share an HSM. */
  readonly mark: string;
  readonly madeAt: Date;
}

/**
 * Which of our keys on the HSM must not sign any more: keys that are retired in the database, and keys
 * without a row. A key is made before its row is written, so a key without a row is kept for a day. Keys
 * of other issuers are never erased, even with a row here: our database may be a copy of theirs.
 */
export function planHsmErasure(
  onHsm: readonly HsmKey[],
  rows: readonly { readonly kid: string; readonly phase: string }[],
  mark: string,
  now: Date,
): string[] {
  const phases = new Map(rows.map(({ kid, phase }) => [kid, phase]));
  const isSpent = ({ kid, madeAt }: HsmKey): boolean => {
    const phase = phases.get(kid);
    if (phase !== undefined) return phase === 'retired';
    return now.getTime() - madeAt.getTime() >= A_DAY_MS;
  };
  return onHsm.filter((key) => key.mark === mark && isSpent(key)).map(({ kid }) => kid);
}
