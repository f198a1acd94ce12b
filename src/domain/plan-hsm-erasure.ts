const A_DAY_MS = 86_400_000;

/** A signing key as it stands on a PKCS #11 token. */
export interface HsmKey {
  readonly kid: string;
  /** Which issuer has made it: several may share a token. */
  readonly mark: string;
  readonly madeAt: Date;
}

/**
 * Which of our keys on a token must not sign any more: those that the database knows as retired, and
 * those that it does not know. A key is made before its row is written, so one that is unknown may just
 * be new: it is left alone for a day. Keys of other issuers never are ours to erase, even if their row
 * is in our database: it may be a copy of theirs.
 */
export function planHsmErasure(
  onToken: readonly HsmKey[],
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
  return onToken.filter((key) => key.mark === mark && isSpent(key)).map(({ kid }) => kid);
}
