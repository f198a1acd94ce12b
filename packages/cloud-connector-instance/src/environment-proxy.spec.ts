import { proxyFor } from './environment-proxy.js';

const URL_HERE = 'https://issuer.example.com';
const PROXY = 'http://proxy.example.com:3128';

describe('the proxy that the environment names', () => {
  const origin = (url: string, env: Record<string, string>) => proxyFor(url, env)?.origin ?? null;

  it.each<[string, Record<string, string>, string | null]>([
    ['none', {}, null],
    ['HTTPS_PROXY', { HTTPS_PROXY: PROXY }, PROXY],
    ['small letters', { https_proxy: PROXY }, PROXY],
    ['small letters first', { https_proxy: PROXY, HTTPS_PROXY: 'http://other' }, PROXY],
    ['small letters that are empty', { https_proxy: '', HTTPS_PROXY: PROXY }, null],
    ['an empty one', { HTTPS_PROXY: ' ' }, null],
    ['one for http only', { HTTP_PROXY: PROXY, http_proxy: PROXY }, null],
    ['one without a scheme', { HTTPS_PROXY: 'proxy.example.com:3128' }, PROXY],
    ['one over TLS', { HTTPS_PROXY: 'https://proxy.example.com' }, 'https://proxy.example.com'],
    ['one with a path', { HTTPS_PROXY: `${PROXY}/` }, PROXY],
  ])('is taken for https from %s', (_what, env, expected) => {
    expect(origin(URL_HERE, env)).toBe(expected);
  });

  it.each<[string, Record<string, string>, string | null]>([
    ['HTTP_PROXY', { HTTP_PROXY: PROXY }, PROXY],
    ['small letters', { http_proxy: PROXY }, PROXY],
    ['one for https only', { HTTPS_PROXY: PROXY }, null],
    ['HTTP_PROXY of a CGI request', { HTTP_PROXY: PROXY, REQUEST_METHOD: 'GET' }, null],
    ['http_proxy in CGI', { http_proxy: PROXY, REQUEST_METHOD: 'GET' }, PROXY],
  ])('is taken for http from %s', (_what, env, expected) => {
    expect(origin('http://backend.example.com', env)).toBe(expected);
  });

  it.each<[string, string, boolean]>([
    ['issuer.example.com', 'https://issuer.example.com', false],
    ['example.com', 'https://issuer.example.com', false],
    ['.example.com', 'https://issuer.example.com', false],
    ['*.example.com', 'https://issuer.example.com', false],
    ['EXAMPLE.com', 'https://issuer.Example.COM', false],
    ['example.com.', 'https://issuer.example.com', false],
    ['example.com', 'https://issuer.example.com.', false],
    ['ample.com', 'https://issuer.example.com', true],
    ['example', 'https://issuer.example.com', true],
    ['issuer.example.com', 'https://example.com', true],
    ['other.example, example.com', 'https://issuer.example.com', false],
    ['other.example example.com', 'https://issuer.example.com', false],
    ['other.example,,', 'https://issuer.example.com', true],
    ['', 'https://issuer.example.com', true],
    ['*', 'https://issuer.example.com', false],
    ['other.example,*', 'https://issuer.example.com', false],
    ['example.com:443', 'https://issuer.example.com', false],
    ['example.com:8443', 'https://issuer.example.com:8443', false],
    ['example.com:8443', 'https://issuer.example.com', true],
    ['10.1.2.3', 'https://10.1.2.3', false],
    ['10.1.2.3:8443', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://10.1.2.3', false],
    ['10.0.0.0/8', 'https://11.1.2.3', true],
    ['10.0.0.0/99', 'https://10.1.2.3', true],
    ['10.0.0.0/', 'https://11.1.2.3', true],
    ['10.0.0.0/8', 'https://10.example.com', true],
    ['fd00::/8', 'https://[fd00::1]', false],
    ['fd00::1', 'https://[fd00::1]', false],
    ['[fd00::1]', 'https://[fd00::1]', false],
    ['[fd00::1]:8443', 'https://[fd00::1]:8443', false],
    ['[fd00::1]:8443', 'https://[fd00::1]', true],
    ['', 'https://localhost:3000', false],
    ['', 'https://a.localhost', false],
    ['', 'https://127.8.9.10', false],
    ['', 'https://[::1]', false],
  ])('with NO_PROXY=%s is used for %s: %s', (value, url, used) => {
    expect(origin(url, { HTTPS_PROXY: PROXY, NO_PROXY: value })).toBe(used ? PROXY : null);
    const small = { https_proxy: PROXY, no_proxy: value, NO_PROXY: '*' };
    expect(origin(url, small)).toBe(used ? PROXY : null);
  });

  it('keeps its credentials apart from its address', () => {
    const proxy = proxyFor(URL_HERE, { HTTPS_PROXY: 'http://me:a%40b@proxy.example.com' });
    const authorization = `Basic ${Buffer.from('me:a@b').toString('base64')}`;
    expect(proxy).toEqual({ origin: 'http://proxy.example.com', authorization });
    const alone = proxyFor(URL_HERE, { HTTPS_PROXY: 'http://me@proxy.example.com' });
    expect(alone?.authorization).toBe(`Basic ${Buffer.from('me:').toString('base64')}`);
  });

  it.each([
    'socks5://u:secret@proxy',
    'http://u:secret@',
    'http://%zz:secret@proxy',
    'secret proxy',
  ])('is refused by its variable, without its value: %s', (value) => {
    const message = 'https_proxy must be the http or https URL of a proxy';
    expect(() => proxyFor(URL_HERE, { https_proxy: value })).toThrow(new TypeError(message));
    expect(proxyFor('https://localhost', { https_proxy: value })).toBeNull();
  });
});
