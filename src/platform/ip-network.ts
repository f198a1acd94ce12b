import { isIP } from 'node:net';
import ipaddr, { type IPv4, type IPv6 } from 'ipaddr.js';

/** `::192.0.2.1` (RFC 4291 section 2.5.5.1). ipaddr.js would read it as IPv4-mapped. */
const OBSOLETE = /^::\d+\.\d+\.\d+\.\d+$/;

/** How many leading bits of an address name its network. */
export interface NetworkSize {
  readonly ipv4: 24 | 32;
  readonly ipv6: 48 | 64;
}

/**
 * The network of an address, as `192.0.2.0/24` or `2001:db8:1::/48` (RFC 5952). An IPv4-mapped IPv6
 * address (RFC 4291 section 2.5.5.2) counts as IPv4. Null when the text is not an address: behind a
 * proxy a client can write anything there.
 */
export function networkOf(text: string, size: NetworkSize): string | null {
  const address = parseAddress(text);
  if (address === null) return null;
  const bits = size[address.kind()];
  const bytes = address.toByteArray().map((byte, index) => (index * 8 < bits ? byte : 0));
  return `${ipaddr.fromByteArray(bytes).toString()}/${bits}`;
}

/** The address as RFC 5952 writes it, an IPv4-mapped one as IPv4, without a zone; null for any other text. */
export function addressIn(text: string): string | null {
  return parseAddress(text)?.toString() ?? null;
}

/** Networks like `10.0.0.0/8`, and single addresses. */
export class Networks {
  private readonly networks: readonly (readonly [IPv6, number])[];

  /** @throws when a text is neither an address nor a CIDR network */
  constructor(texts: readonly string[]) {
    this.networks = texts.map((text) => {
      const [address, bits] = text.includes('/')
        ? ipaddr.parseCIDR(text)
        : ([ipaddr.parse(text), Infinity] as const);
      const widened = address.kind() === 'ipv4' ? bits + 96 : bits;
      return [asIpv6(address), Math.min(widened, 128)];
    });
  }

  include(text: string): boolean {
    const address = parseAddress(text);
    if (address === null) return false;
    return this.networks.some(([network, bits]) => asIpv6(address).match(network, bits));
  }
}

function parseAddress(text: string): IPv4 | IPv6 | null {
  // Node allows more characters in a zone than ipaddr.js does.
  const [bare = ''] = text.split('%');
  // ipaddr.js alone would take `10.1` and `0x0a000001` for addresses.
  return isIP(bare) === 0 || OBSOLETE.test(bare) ? null : ipaddr.process(bare);
}

/** Comparing IPv6 only, `10.0.0.0/8` and `::ffff:10.0.0.0/104` are the same network. */
function asIpv6(address: IPv4 | IPv6): IPv6 {
  return 'toIPv4MappedAddress' in address ? address.toIPv4MappedAddress() : address;
}
