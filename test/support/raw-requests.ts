/** Bytes for a bare socket, in the segments in which they are sent. */
export interface RawInput {
  readonly segments: readonly Buffer[];
  /** Over TLS; else over plain HTTP. */
  readonly tls: boolean;
  /** How long the client waits for answers before it ends its side. */
  readonly lingerMs: number;
}

export const KEYS_PATH = '/oauth/discovery/keys';
const INHERITED = Object.getOwnPropertyNames(Object.prototype);
const SYNC = JSON.stringify({
  query:
    '{ cloudConnectorAccess(licenseKey: "x", gitlabVersion: "18.5.0") { serviceToken { token } } }',
});
const METHODS = [
  'GET',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'get',
  'G ET',
];
const TARGETS = [
  ...['/graphql', '//graphql', '/graphql/', '/api/v1/seat_links', KEYS_PATH, '/-/readiness'],
  ...['/.well-known/openid-configuration', '/api/v1/licenses', '/api/docs', '/status/0', '/'],
  ...[
    '/api/v1/licenses/%E0%A4%A',
    '/%00',
    '*',
    'http://x/graphql',
    'x:443',
    '?a=b',
    '',
    '/\x80\xff',
  ],
  ...[`/${'x'.repeat(9000)}`, `/graphql?${'a=b&'.repeat(2000)}`, '/graphql?__proto__[a]=b'],
];
const VERSIONS = [
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.2',
  'HTTP',
  'ICE/1.0',
  '',
];
const LINE_ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '', '\r\r\n'];
const HEADERS = [
  ...['Host: x', 'Host: x', 'Host: x\r\nHost: y', 'Connection: close', 'Connection: keep-alive'],
  ...['Content-Type: application/json', 'Content-Type: text/plain', 'Content-Length: 0'],
  ...[
    'Content-Length: 5',
    'Content-Length: -1',
    'Content-Length: x',
    'Content-Length: 99999999999',
  ],
  ...[
    'Content-Length: 3\r\nContent-Length: 4',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: x',
  ],
  ...['Transfer-Encoding: chunked\r\nContent-Length: 3', 'Transfer-Encoding: gzip, chunked'],
  ...[
    'Expect: 100-continue',
    'Expect: x',
    'Upgrade: websocket\r\nConnection: upgrade',
    'Accept-Version: 1',
  ],
  ...[
    'Authorization: Bearer x',
    'X-Forwarded-For: x',
    'x-gitlab-instance-id: constructor',
    'If-None-Match: *',
  ],
  ...[
    'no colon',
    ': no name',
    'X Y: z',
    ' folded: x',
    'X: \x00',
    'X: \x7f\xff',
    'Cookie: a=b; a=b',
  ],
];
const BODIES = [
  '',
  '',
  '{}',
  '[]',
  SYNC,
  '{"__proto__":{"a":1}}',
  '{"constructor":{}}',
  '{"query":',
  '\x00\xff',
];
const CHUNKS = [
  '2\r\n{}\r\n0\r\n\r\n',
  '2\r\n{}\r\n',
  'constructor\r\n',
  '-1\r\n',
  'fffffffff\r\n',
  '0\r\nX: y\r\n\r\n',
];
const GOOD = [
  `GET ${KEYS_PATH} HTTP/1.1\r\nHost: x\r\n\r\n`,
  'GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /constructor?toString=1 HTTP/1.1\r\nHost: x\r\n__proto__: x\r\n\r\n',
  post('/graphql', SYNC),
  post('/api/v1/seat_links', '{"license_key":"x"}'),
];
/** Taken apart at each of their bytes. */
const TAKEN_APART = [
  ...GOOD.slice(2),
  `${GOOD[0] ?? ''}GET constructor HTTP/1.1\r\nHost: x\r\n\r\n`,
  'POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nx\r\n',
  'GET __proto__ HTTP/1.1\r\n\r\n',
];

/** Every text of `TAKEN_APART` in two segments, for each place at which it can be cut. */
export function cutInputs(): RawInput[] {
  return TAKEN_APART.flatMap((text) => {
    const bytes = Buffer.from(text, 'latin1');
    return Array.from({ length: bytes.length - 1 }, (_, at) => ({
      segments: [bytes.subarray(0, at + 1), bytes.subarray(at + 1)],
      tls: at % 8 === 0,
      lingerMs: 0,
    }));
  });
}

/** Input `index` of `seed`: the same two numbers make the same bytes. */
export function rawInput(seed: number, index: number): RawInput {
  const chance = new Chance(seed, index);
  const messages = Array.from({ length: 1 + chance.below(4) }, () =>
    chance.below(3) === 0 ? chance.oneOf(GOOD) : message(chance),
  );
  const bytes = mutated(Buffer.from(messages.join(''), 'latin1'), chance);
  return {
    segments: cut(bytes, chance),
    tls: chance.below(6) === 0,
    lingerMs: chance.below(4) === 0 ? 5 : 0,
  };
}

function post(path: string, body: string): string {
  const length = Buffer.byteLength(body);
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

function message(chance: Chance): string {
  const inherited = () => chance.oneOf(INHERITED);
  const often = (name: string) => (chance.below(4) === 0 ? inherited() : name);
  const target = often(chance.oneOf(TARGETS)) + (chance.below(4) === 0 ? `?${inherited()}=1` : '');
  const line = `${often(chance.oneOf(METHODS))} ${target} ${often(chance.oneOf(VERSIONS))}`;
  const headers = Array.from({ length: chance.below(6) }, () =>
    chance.below(4) === 0 ? `${inherited()}: ${inherited()}` : chance.oneOf(HEADERS),
  );
  // Over 16 KiB in all, in one header or in many.
  if (chance.below(12) === 0) headers.push(`X: ${'x'.repeat(chance.below(40_000))}`);
  if (chance.below(24) === 0) headers.push(...Array<string>(chance.below(3000)).fill('X: yyyyy'));
  const end = chance.oneOf(LINE_ENDS);
  const body = chance.below(4) === 0 ? chance.oneOf(CHUNKS) : chance.oneOf(BODIES);
  return [line, ...headers, '', body].join(end);
}

/** Some bytes are lost, doubled or others. */
function mutated(bytes: Buffer, chance: Chance): Buffer {
  let changed = bytes;
  for (let left = chance.below(4) - 1; left > 0 && changed.length > 0; left -= 1) {
    const at = chance.below(changed.length);
    const before = changed.subarray(0, at);
    const inserted = [
      Buffer.alloc(0),
      Buffer.from([chance.below(256)]),
      changed.subarray(at, at + 20),
      Buffer.from(chance.oneOf(INHERITED)),
    ];
    changed = Buffer.concat([
      before,
      chance.oneOf(inserted),
      changed.subarray(at + chance.below(3)),
    ]);
  }
  return chance.below(6) === 0 ? changed.subarray(0, chance.below(changed.length + 1)) : changed;
}

/** In one piece, in some, or byte by byte. */
function cut(bytes: Buffer, chance: Chance): Buffer[] {
  const everyByte = bytes.length < 200 && chance.below(10) === 0;
  const cuts = everyByte
    ? Array.from(bytes.keys())
    : Array.from({ length: chance.below(4) }, () => chance.below(bytes.length + 1));
  const places = [...cuts.sort((one, other) => one - other), bytes.length];
  return places
    .map((place, n) => bytes.subarray(n === 0 ? 0 : places[n - 1], place))
    .filter((segment) => segment.length > 0);
}

/** Numbers that look random and are the same in each run (SplitMix32). */
class Chance {
  private state: number;

  constructor(seed: number, index: number) {
    this.state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 0;
  }

  below(limit: number): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % limit;
  }

  oneOf<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('there is nothing to choose from');
    return item;
  }
}
