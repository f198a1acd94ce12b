/** The largest valid requests, written so that reading them costs the most. */

const MEBIBYTE = 1_048_576;
/** As many members and items as are let in, the body's own brackets among them. */
const MOST_VALUES = 2490;

type Body = string | Buffer;

/** Bodies for any operation. */
export const WIDEST_BODIES: readonly (readonly [what: string, make: () => Body])[] = [
  ['members beyond the bound', () => filled('{', (n) => `"m${n}":1`, '}')],
  ['members of one name', () => filled('{', () => '"a":1', '}')],
  ['items beyond the bound', () => filled('{"a":[', () => '0', ']}')],
  ['empty objects', () => filled('{"a":[', () => '{}', ']}')],
  ['lists that are never closed', () => '['.repeat(MEBIBYTE)],
  ['objects that are never closed', () => '{"a":'.repeat(200_000)],
  ['as many members as are let in', () => members((n) => `m${n}`)],
  ['as many, with long names', () => members((n) => `${n}`.padStart(400, 'x'))],
  ['as many, with numbers for names', () => members((n) => `${n * 7919}`)],
  [
    'as many, seven levels deep',
    () => `${'{"a":'.repeat(6)}${members((n) => `m${n}`)}${'}'.repeat(6)}`,
  ],
  ['as many objects', () => listOf(MOST_VALUES / 2, '{"a":1}')],
  ['a long text', () => `{"a":"${'x'.repeat(MEBIBYTE - 10)}"}`],
  ['escapes', () => `{"a":"${'\\u0041'.repeat(174_000)}"}`],
  ['escaped quotes', () => `{"a":"${'\\"'.repeat(524_000)}"}`],
  ['halves of characters', () => `{"a":"${'\\ud800'.repeat(174_000)}"}`],
  ['a long name', () => `{"${'x'.repeat(MEBIBYTE - 10)}":1}`],
  ['a long number', () => `{"a":${'9'.repeat(MEBIBYTE - 10)}}`],
  ['a long fraction', () => `{"a":1.${'9'.repeat(MEBIBYTE - 12)}}`],
  ['a huge exponent', () => `{"a":1e${'9'.repeat(MEBIBYTE - 12)}}`],
  ['blanks', () => `{"a":1${' '.repeat(MEBIBYTE - 10)}}`],
  ['only blanks', () => '\n'.repeat(MEBIBYTE)],
  [
    'names of the prototype',
    () => members((n) => `toString${n}`).replace('"m', '"__proto__":1,"m'),
  ],
  ['bytes that are no UTF-8', () => bytesIn(0xff)],
  ['NULs', () => Buffer.alloc(MEBIBYTE)],
  ['backslashes', () => `{"a":"${'\\'.repeat(MEBIBYTE - 10)}`],
];

/** Bodies whose members the operation knows, with far too much in each. */
export function widestBodiesOf(
  known: readonly string[],
): readonly (readonly [what: string, make: () => Body])[] {
  if (known.length === 0) return [];
  const each = Math.floor((MEBIBYTE - 10) / known.length);
  const all = (value: (length: number) => string) => () =>
    `{${known.map((name) => `"${name}":${value(each - name.length - 4)}`).join()}}`;
  const items = Math.floor(MOST_VALUES / known.length) - 1;
  return [
    ['long texts in known members', all((length) => `"${'x'.repeat(length - 2)}"`)],
    ['blanks in known members', all((length) => `"2026-01-01${' '.repeat(length - 14)}x"`)],
    ['digits in known members', all((length) => `"1.${'1'.repeat(length - 6)}"`)],
    ['an address in known members', all((length) => `"${'a.'.repeat((length - 8) / 2)}@x"`)],
    ['long lists in known members', all(() => listOf(items, '"x"', '[', ']'))],
    ['objects in known members', all(() => members((n) => `m${n}`, items))],
    ['long numbers in known members', all((length) => '9'.repeat(length))],
  ];
}

/** Query strings for any list, and with its own parameters. */
export function widestQueriesOf(known: readonly string[]): readonly string[] {
  const names = Array.from({ length: 3400 }, (_, n) => n.toString(36)).join('&');
  const first = known[0] ?? 'a';
  return [
    names.slice(0, 15_000),
    'a&'.repeat(7500),
    `${first}=x&`.repeat(1000).slice(0, 15_000),
    ...['+', '%41', '%', 'a@', '1'].map((unit) => {
      const length = Math.floor(15_000 / unit.length / Math.max(known.length, 1));
      return (known.length > 0 ? known : ['a']).map((p) => `${p}=${unit.repeat(length)}`).join('&');
    }),
  ];
}

/** Headers of some 15,000 bytes that something might read. */
export const WIDEST_HEADERS: readonly Readonly<Record<string, string>>[] = [
  { 'x-forwarded-for': '127.0.0.1,'.repeat(1500) },
  { 'x-forwarded-for': ','.repeat(15_000) },
  { 'if-none-match': 'W/"a",'.repeat(2500), 'accept-encoding': 'x' },
  { 'if-match': '"1",'.repeat(3700) },
  { accept: 'a/b;q=0.1,'.repeat(1500) },
  { cookie: 'a=b; '.repeat(3000) },
  { 'user-agent': ` ${'\u00e9'.repeat(14_000)}` },
  { 'x-gitlab-instance-id': 'a-'.repeat(7000), 'x-gitlab-version': '1'.repeat(900) },
  { 'x-gitlab-host-name': 'a.'.repeat(7000) },
  { range: `bytes=${'0-1,'.repeat(3500)}` },
  Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`h${n}`, 'a'])),
];

const LICENSE = 'licenseKey: $licenseKey, gitlabVersion: $gitlabVersion';
const ACCESS = `query($licenseKey: String!, $gitlabVersion: String!) { cloudConnectorAccess(${LICENSE})`;
const ACTIVATE = `mutation($input: CloudActivationActivateInput!) {
  cloudActivationActivate(input: $input) { licenseKey errors } }`;
const NAMES = Array.from({ length: 15 }, (_, n) => `f${n}`);

/** GraphQL documents with as many tokens as are let in, and some with more. */
export const WIDEST_DOCUMENTS: readonly string[] = [
  `${ACCESS} { ${aliases('catalog', 57)} } }`,
  `${ACCESS} { ${aliases('availableServices { name bundledWith }', 25)} } }`,
  `${ACCESS} { ${aliases('serviceToken { token }', 10)} catalog availableServices { name } } }`,
  `{ __schema { ${aliases('types { fields { args { name } } }', 10)} } }`,
  `{ __schema { types { fields { args { type { ${aliases('name', 50)} } } } } } }`,
  `{ __schema { ${'types { fields { name } } '.repeat(10)} } }`,
  `{ ${aliases('__type(name: "Query") { fields { name } }', 10)} }`,
  spreads(1),
  spreads(2),
  spreads(3),
  `{ ${'...f0 '.repeat(50)} } fragment f0 on Query { ...f1 } fragment f1 on Query { ...f0 }`,
  `{ __typename ${'@skip(if: false) '.repeat(28)} }`,
  `query(${Array.from({ length: 48 }, (_, n) => `$v${n}: Int`).join()}) { __typename }`,
  `{ ${Array.from({ length: 190 }, (_, n) => `cloudConnectorAcces${n}`).join(' ')} }`,
  `{ ${'cloudConnectorAccess'.repeat(400)} }`,
  `query($a: ${'String'.repeat(1300)}) { __typename }`,
  `{ cloudConnectorAccess(licenseKey: """${'\n '.repeat(3900)}""", gitlabVersion: "1.1") { catalog } }`,
  `{ __typename } #${'x'.repeat(8000)}`,
  ' '.repeat(1_000_000),
  `{${' '.repeat(1_000_000)}`,
];

/** Variables for a sync and an activation, with as much in them as is let in. */
export function widestVariables(
  licenseKey: string,
): readonly (readonly [query: string, variables: object])[] {
  const sync = { licenseKey, gitlabVersion: '18.5.0' };
  const unknown = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`activationCodes${n}`, n]));
  const token = `${ACCESS} { serviceToken { token } } }`;
  const long = 'x'.repeat(1_000_000);
  return [
    [token, { ...sync, licenseKey: long }],
    [token, { ...sync, licenseKey: 'x\r\n'.repeat(200_000) }],
    [token, { ...sync, gitlabVersion: `18.${'1'.repeat(1_000_000)}` }],
    [token, { ...sync, licenseKey: unknown(2400) }],
    [token, { ...sync, licenseKey: { a: { b: long } } }],
    [token, { ...sync, ...unknown(2400) }],
    [ACTIVATE, { input: unknown(2400) }],
    [ACTIVATE, { input: { activationCode: long, ...unknown(60) } }],
    [ACTIVATE, { input: { activationCode: '\u0001'.repeat(170_000), hostname: 1 } }],
    [ACTIVATE, { input: Array.from({ length: 1200 }, () => ({ hostname: 1 })) }],
  ];
}

function spreads(times: number): string {
  const within = (name: string | undefined) =>
    name === undefined ? 'types { name }' : `...${name} `.repeat(times);
  const fragments = NAMES.map(
    (name, n) => `fragment ${name} on __Schema { ${within(NAMES[n + 1])} }`,
  );
  return `{ __schema { ${within(NAMES[0])} } } ${fragments.join(' ')}`;
}

function aliases(field: string, times: number): string {
  return Array.from({ length: times }, (_, n) => `a${n}: ${field}`).join(' ');
}

/** Up to 1 MiB. */
function filled(open: string, item: (n: number) => string, close: string): string {
  const items: string[] = [];
  let length = open.length + close.length;
  for (let n = 0; ; n += 1) {
    const next = item(n);
    length += next.length + 1;
    if (length > MEBIBYTE) return `${open}${items.join()}${close}`;
    items.push(next);
  }
}

function members(name: (n: number) => string, count = MOST_VALUES): string {
  return `{${Array.from({ length: count }, (_, n) => `"${name(n)}":1`).join()}}`;
}

function listOf(count: number, item: string, open = '{"a":[', close = ']}'): string {
  return `${open}${Array(Math.floor(count)).fill(item).join()}${close}`;
}

function bytesIn(byte: number): Buffer {
  const [open, close] = [Buffer.from('{"a":"'), Buffer.from('"}')];
  return Buffer.concat([open, Buffer.alloc(MEBIBYTE - open.length - close.length, byte), close]);
}
