export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A JSON object from UTF-8 bytes, or null for anything else. A repeated member is a fault: two readers may
 * use different ones (RFC 7515 section 4, RFC 7519 section 4).
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

/** @param text valid JSON */
function repeatsMember(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  let name = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(null);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const end = endOfString(text, at);
      // Compared as it is read: an escape is another spelling of the same name.
      name = JSON.parse(text.slice(at, end + 1)) as string;
      at = end;
    } else if (char === ':') {
      const members = open.at(-1);
      if (members?.has(name)) return true;
      members?.add(name);
    }
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
