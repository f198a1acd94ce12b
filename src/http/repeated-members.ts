import type { ErrorDetail } from '../platform/issuer-error.js';
import { pointerToken } from './pointer.js';

export const REPEATED = 'is given more than once: send it once';

/** The text of each body that is being answered. */
const texts = new WeakMap<object, string>();

/** Remembers the text of a body, which says more than what was parsed from it. */
export function noteBodyText(body: unknown, text: string): void {
  if (typeof body === 'object' && body !== null) texts.set(body, text);
}

/**
 * The members that a body has twice in one object. A parser keeps the last one, and a reader of the request may
 * mean the first one (RFC 8259 section 4).
 */
export function repeatedMembers(body: object): ErrorDetail[] {
  const pointers = new Set(pointersOfRepeated(texts.get(body) ?? ''));
  return [...pointers].map((pointer) => ({ pointer, detail: REPEATED }));
}

/** A list or an object that is open, and where the scan is in it. */
interface Open {
  readonly pointer: string;
  /** Null in a list. */
  readonly names: Set<string> | null;
  index: number;
  member: string;
}

/** @param json valid JSON, whose depth is bounded */
function pointersOfRepeated(json: string): string[] {
  const repeated: string[] = [];
  const stack: Open[] = [];
  let name = '';
  for (let at = 0; at < json.length; at += 1) {
    const char = json[at];
    const top = stack.at(-1);
    if (char === '"') {
      const end = endOfString(json, at);
      // Compared as it is read: an escape is another spelling of the same name.
      if (top?.names) name = JSON.parse(json.slice(at, end + 1)) as string;
      at = end;
    } else if (char === ':' && top?.names) {
      top.member = name;
      if (top.names.has(name)) repeated.push(`${top.pointer}/${pointerToken(name)}`);
      top.names.add(name);
    } else if (char === ',' && top) top.index += 1;
    else if (char === '}' || char === ']') stack.pop();
    else if (char === '{' || char === '[') {
      const names = char === '{' ? new Set<string>() : null;
      stack.push({ pointer: pointerIn(top), names, index: 0, member: '' });
    }
  }
  return repeated;
}

/** Where the next value in `open` is. */
function pointerIn(open: Open | undefined): string {
  if (!open) return '#';
  return `${open.pointer}/${open.names ? pointerToken(open.member) : String(open.index)}`;
}

function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}
