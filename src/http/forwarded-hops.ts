import { addressIn } from '../platform/ip-network.js';

/** A node of RFC 7239 section 6 with brackets or a port. A port may be obfuscated, too. */
const NODE = /^(?:\[(.+)\](?::(?:\d{1,5}|_[\w.-]+))?|(.+):(?:\d{1,5}|_[\w.-]+))$/;
/** A parameter of RFC 7239 section 4. Many proxies write IPv6 and ports without quotes. */
const PARAMETER =
  /[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",;\\]+))[ \t]*(?:;|$)/y;

/** An address, or null when the hop names none: `unknown`, `_hidden`, or a text that cannot be read. */
export type Hop = string | null;

/** The hops of `X-Forwarded-For`, the nearest one first. Repeated headers are one list. */
export function* xForwardedFor(header: string): Generator<Hop> {
  for (const element of elementsFromEnd(header)) {
    yield addressOf(/^"(.*)"$/.exec(element)?.[1] ?? element);
  }
}

/** The hops of `Forwarded` (RFC 7239), the nearest one first. A hop that names no `for` is null. */
export function* forwarded(header: string): Generator<Hop> {
  for (const element of elementsFromEnd(header)) yield addressOf(forOf(element) ?? '');
}

/**
 * The elements of a list from the last one on, without empty ones. A comma in quotes separates nothing. Reading from
 * the end, a quote that a client left open cannot reach into what a proxy has added after it.
 */
function* elementsFromEnd(list: string): Generator<string> {
  let end = list.length;
  let isQuoted = false;
  for (let at = end - 1; at >= -1; at -= 1) {
    const character = at < 0 ? ',' : list[at];
    if (character === '"' && list[at - 1] !== '\\') isQuoted = !isQuoted;
    if (character !== ',' || (isQuoted && at >= 0)) continue;
    const element = list.slice(at + 1, end).trim();
    if (element !== '') yield element;
    end = at;
  }
}

/** The node behind `for`; null when there is none, or more than one, or the element cannot be read. */
function forOf(element: string): string | null {
  let node: string | null = null;
  PARAMETER.lastIndex = 0;
  while (PARAMETER.lastIndex < element.length) {
    const [, name, quoted, bare = ''] = PARAMETER.exec(element) ?? [];
    if (name === undefined) return null;
    if (name.toLowerCase() !== 'for') continue;
    if (node !== null) return null;
    node = quoted?.replace(/\\(.)/g, '$1') ?? bare;
  }
  return node;
}

function addressOf(node: string): Hop {
  const [, bracketed, open] = NODE.exec(node) ?? [];
  return addressIn(node) ?? addressIn(bracketed ?? open ?? '');
}
