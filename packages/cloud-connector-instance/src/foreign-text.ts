const LONGEST = 300;
/** A shorter line of a license key is no secret, and may be an ordinary word. */
const SHORTEST_SECRET = 8;
const REPLACED = '[removed]';
const JWT = /eyJ[\w-]+(\.[\w-]*)+/g;
/** Control and format characters, line ends among them: they would forge lines or steer a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** Makes a text of an issuer safe to log and show. */
export type Clean = (text: string) => string;

/**
 * One line of at most 300 characters, without tokens and without the secrets that were sent: the other side
 * may echo them.
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
