/**
 * The known name that `given` was probably meant to be, or null. Close to `cut_off_date` are `cutoff_date`,
 * `CutOffDate`, `cut-of-dates` and `cut_off`: a letter in four may be wrong, or words may be missing.
 */
export function misspeltName(given: string, known: Iterable<string>): string | null {
  const letters = lettersOf(given);
  for (const name of known) {
    const meant = lettersOf(name);
    if (distance(letters, meant) <= Math.ceil(meant.length / 4)) return name;
    if (shortForms(name).includes(letters)) return name;
  }
  return null;
}

export function misspelt(meant: string): string {
  return `is unknown, and looks like '${meant}' misspelt`;
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** The name with its first word and at least half of its words. */
function shortForms(name: string): string[] {
  const [first = '', ...others] = name.split('_');
  let forms = [[first]];
  for (const word of others) forms = [...forms, ...forms.map((form) => [...form, word])];
  return forms.filter(({ length }) => 2 * length > others.length).map((form) => form.join(''));
}

/** How many letters to add, drop, replace or exchange with their neighbour (Damerau-Levenshtein). */
function distance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (const [row, letter] of Array.from(one).entries()) {
    const current = [row + 1];
    for (const [column, otherLetter] of Array.from(other).entries()) {
      const replaced = at(last, column) + (letter === otherLetter ? 0 : 1);
      const swaps = letter === other[column - 1] && one[row - 1] === otherLetter;
      const swapped = swaps ? at(beforeLast, column - 1) + 1 : Infinity;
      current.push(Math.min(replaced, swapped, at(last, column + 1) + 1, at(current, column) + 1));
    }
    [beforeLast, last] = [last, current];
  }
  return at(last, other.length);
}

function at(costs: readonly number[], index: number): number {
  return costs[index] ?? Infinity;
}
