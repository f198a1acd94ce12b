const LONGEST = 300;
/** A line of a license key that is shorter gives nothing away, and may be a word of any sentence. */
const SHORTEST_SECRET = 8;
const REPLACED = '[removed]';
const JWT = /eyJ[\w-]+(\.[\w-]*)+/g;
/** Control and format characters, line ends among them: they would forge lines or steer a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** Makes a text that an issuer sent fit to be logged and shown. */
export type Clean = (text: string) => string;

/**
 * One line of at most 300 characters, without tokens and without the secrets that were sent: an issuer,
 * or what stands in its place, may repeat what it was told.
 */
export function cleanerWithout(...secrets: readonly string[]): Clean {
  const parts = secrets
    .flatMap((secret) => [secret, ...secret.split(/\r?\n/)])
    .map((part) => part.trim())
    .filter((part) => part.length >= SHORTEST_SECRET)
    // The whole before its lines.
    .sort((one, other) => other.length - one.length);
  return (text) => {
    const bare = parts.reduce((left, part) => left.split(part).join(REPLACED), text);
    const line = bare.replace(JWT, REPLACED).replace(UNPRINTABLE, ' ').trim();
    return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
  };
}
