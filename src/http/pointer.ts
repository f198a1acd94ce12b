/** Answers should not be larger than their requests: they repeat this much of a name. */
const MAX_NAME_LENGTH = 100;

/** The name of a member as a part of a JSON pointer (RFC 6901 section 3); a long one is cut. */
export function pointerToken(name: string): string {
  return shortened(name).replaceAll('~', '~0').replaceAll('/', '~1');
}

export function shortened(name: string): string {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
}
