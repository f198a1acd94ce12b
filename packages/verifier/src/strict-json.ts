export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A JSON object from UTF-8 bytes, or null for anything else. A member that stands twice is a fault:
 * two readers may take different ones of the two (RFC 7515 section 4, RFC 7519 section 4).
 */
export function parseStrictObject(bytes: Uint8Array): JsonObject | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return isObject(value) && !repeatsMember(text) ? value : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Strings, and what opens, parts and closes; the rest says nothing about members. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/** @param text what `JSON.parse` has read without complaint */
function repeatsMember(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      // Compared as they are read: an escape is another spelling of the same name.
      const name = JSON.parse(last) as string;
      const members = open.at(-1);
      if (members?.has(name)) return true;
      members?.add(name);
    }
    last = token;
  }
  return false;
}
