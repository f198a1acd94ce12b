import { BlockList, isIP } from 'node:net';

// The packages that send requests have the same copy of this file: a test compares them.

/** A `fetch` of a URL. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** Variables such as those of `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A proxy, without its credentials in the URL: the origin may be logged. */
export interface Proxy {
  readonly origin: string;
  /** For `Proxy-Authorization`; null without credentials. */
  readonly authorization: string | null;
}

type Named = readonly [variable: string, value: string];
/** Whether an entry of `NO_PROXY` names this host and port. */
type Rule = (host: string, port: number) => boolean;

const LOOPBACK: readonly Rule[] = ['localhost', '127.0.0.0/8', '::1'].map(ruleOf);

/**
 * The `fetch` of Node, or one through the proxy that the environment names for the URL.
 * @param urls some of those that will be fetched
 * @throws TypeError when the variable with the proxy for one of `urls` is unusable
 */
export function fetchByEnvironment(urls: readonly string[], env: Environment = process.env): Fetch {
  for (const url of urls) proxyFor(url, env);
  const agents = new Map<string, object>();
  return async (input, init = {}) => {
    const proxy = proxyFor(input, env);
    if (!proxy) return fetch(input, init);
    // Most processes need no proxy, so undici is not loaded before.
    const { fetch: fetchWith, ProxyAgent } = await import('undici');
    const { origin, authorization } = proxy;
    const token = authorization === null ? {} : { token: authorization };
    const key = JSON.stringify(proxy);
    const dispatcher =
      agents.get(key) ?? new ProxyAgent({ uri: origin, proxyTunnel: false, ...token });
    agents.set(key, dispatcher);
    const sent = fetchWith(input, { ...init, dispatcher } as object) as Promise<unknown>;
    return sent.catch((error: unknown) => {
      if (init.signal?.aborted === true) throw error;
      throw new Error(`${reasonOf(error)} (through the proxy ${origin})`);
    }) as Promise<Response>;
  };
}

/**
 * The proxy for a URL by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in small letters, which win.
 * Null: none. This machine is never asked through a proxy.
 * @throws TypeError when the variable is unusable; it never has the value, which may have a password
 */
export function proxyFor(url: string, env: Environment = process.env): Proxy | null {
  const { protocol, hostname, port } = new URL(url);
  const [variable, value] = protocol === 'https:' ? httpsProxyIn(env) : httpProxyIn(env);
  if (value === '') return null;
  const host = plainHost(hostname);
  const exceptions = (env['no_proxy'] ?? env['NO_PROXY'] ?? '').split(/[,\s]+/).map(ruleOf);
  const portNumber = Number(port || (protocol === 'https:' ? 443 : 80));
  if ([...LOOPBACK, ...exceptions].some((names) => names(host, portNumber))) return null;
  return proxyOf(variable, value);
}

function httpsProxyIn(env: Environment): Named {
  const name = env['https_proxy'] === undefined ? 'HTTPS_PROXY' : 'https_proxy';
  return [name, env[name]?.trim() ?? ''];
}

/** A CGI server puts the header `Proxy` of a request into `HTTP_PROXY` (CVE-2016-5385). */
function httpProxyIn(env: Environment): Named {
  const mayBeOfRequest = env['http_proxy'] !== undefined || env['REQUEST_METHOD'] !== undefined;
  const name = mayBeOfRequest ? 'http_proxy' : 'HTTP_PROXY';
  return [name, env[name]?.trim() ?? ''];
}

function proxyOf(variable: string, value: string): Proxy {
  const text = value.includes('://') ? value : `http://${value}`;
  try {
    const { protocol, origin, username, password } = new URL(text);
    if (!/^https?:$/.test(protocol)) throw new TypeError('another kind of proxy');
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const encoded = `Basic ${Buffer.from(credentials).toString('base64')}`;
    return { origin, authorization: username === '' && password === '' ? null : encoded };
  } catch {
    throw new TypeError(`${variable} must be the http or https URL of a proxy`);
  }
}

/** An address, a network, or a name with all names below it, each with a port or without. */
function ruleOf(entry: string): Rule {
  if (entry === '*') return () => true;
  const whole = isIP(entry) > 0 || entry.includes('/') ? [entry] : /^(.+?)(?::(\d+))?$/.exec(entry);
  const [name = '', port] = whole?.length === 1 ? whole : (whole?.slice(1) ?? []);
  const named = plainHost(name.replace(/^\*?\./, ''));
  const network = networkOf(named);
  const isNamed = (host: string) =>
    network ? isIn(network, host) : host === named || host.endsWith(`.${named}`);
  return (host, asked) => named !== '' && (!port || Number(port) === asked) && isNamed(host);
}

/** Null: neither an address nor a network. */
function networkOf(text: string): BlockList | null {
  const [address = '', bits] = text.split('/');
  const version = isIP(address);
  if (version === 0) return null;
  const list = new BlockList();
  // `10.0.0.0/` has no length: it must not mean all addresses.
  const length = bits === undefined ? (version === 4 ? 32 : 128) : Number(bits || NaN);
  try {
    list.addSubnet(address, length, version === 4 ? 'ipv4' : 'ipv6');
  } catch {
    // No such length: it names nobody.
  }
  return list;
}

function isIn(network: BlockList, host: string): boolean {
  const version = isIP(host);
  return version !== 0 && network.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

/** In small letters, without the brackets of an IPv6 address and the dot of the root. */
function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** `fetch failed` has the reason in its cause, or in the cause of that; it may be a code only. */
function reasonOf(error: unknown): string {
  const { message, code, cause } = Object(error) as Partial<Error> & { code?: unknown };
  if (cause !== undefined) return reasonOf(cause);
  return (
    [message, code].find((text) => typeof text === 'string' && text !== '')?.toString() ?? 'unknown'
  );
}
