/** Slow proofs are run in full unless `PROOFS=quick` (as CI has it) asks for a part of each. */
const IN_FULL = process.env.PROOFS !== 'quick';

/** All of them in full; in the quick form every second, the last one (of an even number) among them. */
export function someOf<Item>(items: readonly Item[]): readonly Item[] {
  return IN_FULL ? items : items.filter((_item, index) => index % 2 === 1);
}

/** How often a proof by chance is repeated. */
export function times(inFull: number, quickly: number): number {
  return IN_FULL ? inFull : quickly;
}
