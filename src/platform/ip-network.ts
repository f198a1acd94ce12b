import { isIP } from 'node:net';

/** Bits that stay of an address. */
export interface NetworkSize {
  readonly ipv4: 24 | 32;
  readonly ipv6: 48 | 64;
}

const BITS_OF_A_GROUP = 16;

/**
 * The network of an address, as `192.0.2.0/24` or `2001:db8:1::/48` (RFC 5952). An IPv4 address in
 * the clothes of IPv6 (RFC 4291 section 2.5.5.2) is one of IPv4: all of those share one network.
 * Null for what is no address: behind a proxy that one may be whatever a client wrote.
 */
export function networkOf(address: string, size: NetworkSize): string | null {
  const [bare = ''] = address.split('%');
  const family = isIP(bare);
  if (family === 0) return null;
  if (family === 4) return ipv4Network(bare.split('.').map(Number), size.ipv4);
  const groups = groupsOf(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return ipv4Network(groups.slice(6).flatMap(bytesOf), size.ipv4);
  const kept = groups.slice(0, size.ipv6 / BITS_OF_A_GROUP);
  while (kept.at(-1) === 0) kept.pop();
  return `${kept.map((group) => group.toString(16)).join(':')}::/${size.ipv6}`;
}

function ipv4Network(bytes: readonly number[], bits: NetworkSize['ipv4']): string {
  return `${[0, 1, 2, 3].map((n) => (n * 8 < bits ? bytes[n] : 0)).join('.')}/${bits}`;
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail = ''] = address.split('::');
  const [before, after] = [partOf(head), partOf(tail)];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function partOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function bytesOf(group: number): number[] {
  return [group >> 8, group & 0xff];
}
