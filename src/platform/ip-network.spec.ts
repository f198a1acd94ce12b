import { isIP } from 'node:net';
import fc from 'fast-check';
import { networkOf, Networks } from './ip-network.js';

const WIDE = { ipv4: 24, ipv6: 48 } as const;
const NARROW = { ipv4: 32, ipv6: 64 } as const;

describe('the network of an address', () => {
  it.each([
    ['192.0.2.77', '192.0.2.0/24', '192.0.2.77/32'],
    ['255.255.255.255', '255.255.255.0/24', '255.255.255.255/32'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001::6', '2001:db8:1::/48', '2001:db8:1::/64'],
    ['2001:db8::1', '2001:db8::/48', '2001:db8::/64'],
    ['2001:0:1:0:5::', '2001:0:1::/48', '2001:0:1::/64'],
    ['::1', '::/48', '::/64'],
    ['::', '::/48', '::/64'],
    ['fe80::1%eth0', 'fe80::/48', 'fe80::/64'],
    ['fe80::1%eth0.5', 'fe80::/48', 'fe80::/64'],
    ['1:2:3:4:5:6:192.0.2.77', '1:2:3::/48', '1:2:3:4::/64'],
  ])('of %s is %s, or in a narrower sense %s', (address, wide, narrow) => {
    expect(networkOf(address, WIDE)).toBe(wide);
    expect(networkOf(address, NARROW)).toBe(narrow);
  });

  it.each(['::ffff:192.0.2.77', '::FFFF:c000:24d', '0:0:0:0:0:ffff:192.0.2.77'])(
    'of %s is that of the IPv4 address in it',
    (address) => {
      expect(networkOf(address, WIDE)).toBe('192.0.2.0/24');
      expect(networkOf(address, NARROW)).toBe('192.0.2.77/32');
    },
  );

  it.each([
    '',
    'unknown',
    '192.0.2.77:443',
    '[2001:db8::1]',
    '192.0.2',
    '0x7f000001',
    "'; --",
    '%eth0',
    '::192.0.2.1',
  ])('of "%s" is none', (text) => {
    expect(networkOf(text, WIDE)).toBeNull();
  });

  it('of any IPv6 address is one that Node takes for a network address, and the same for it', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        fc.pre(isIP(address) === 6 && !/^::\d+\./.test(address));
        const network = networkOf(address, NARROW) ?? '';
        const [base = ''] = network.split('/');
        expect(isIP(base)).not.toBe(0);
        expect(networkOf(base, NARROW)).toBe(network);
      }),
    );
  });
});

describe('a list of networks', () => {
  const networks = new Networks(['10.0.0.0/8', '192.0.2.1', '::ffff:172.16.0.0/108', 'fd00::/8']);

  it.each([
    '10.0.0.0',
    '10.255.255.255',
    '::ffff:10.1.2.3',
    '192.0.2.1',
    '172.31.0.1',
    'fd00::1%eth0.5',
  ])('includes %s', (address) => {
    expect(networks.include(address)).toBe(true);
  });

  it.each(['9.255.255.255', '11.0.0.0', '192.0.2.2', '172.32.0.1', 'fe00::1', '::1', '10.1', ''])(
    'does not include %s',
    (address) => {
      expect(networks.include(address)).toBe(false);
    },
  );
});
