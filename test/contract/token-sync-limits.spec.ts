import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, type SyncAnswer, syncQuery } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const QUERY = syncQuery('serviceToken { token expiresAt }', { namesOperation: true });
const VARIABLES = '($licenseKey: String!, $gitlabVersion: String!)';
const ACCESS = 'cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion)';
const TOKEN = `${ACCESS} { serviceToken { token } }`;

describe('a sync is limited', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let client: GitlabInstance;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    const { licenseKey } = await registerPaidLicense(issuer);
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });
  afterAll(() => issuer.stop());

  function ask(query: string): Promise<SyncAnswer> {
    return client.send({ query, variables: client.variables() });
  }

  async function expectRefused(query: string): Promise<void> {
    const before = await ledgerSize(issuer);
    const answer = await ask(query);
    expect(answer).toMatchObject({ status: 200, code: 'BAD_REQUEST', effect: 'keeps its tokens' });
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['errors']);
    expect(await ledgerSize(issuer)).toBe(before);
  }

  describe('to one cloudConnectorAccess a request, however a second is written', () => {
    it.each([
      ['under two aliases', `query ${VARIABLES} { a: ${TOKEN} b: ${TOKEN} }`],
      ['under an alias and its own name', `query ${VARIABLES} { ${TOKEN} b: ${TOKEN} }`],
      ['twice as the same field', `query ${VARIABLES} { ${TOKEN} ${TOKEN} }`],
      [
        'in a fragment',
        `query ${VARIABLES} { ...second a: ${TOKEN} } fragment second on Query { b: ${TOKEN} }`,
      ],
      ['in an inline fragment', `query ${VARIABLES} { ... on Query { a: ${TOKEN} } b: ${TOKEN} }`],
      [
        'in an operation beside',
        `query one${VARIABLES} { ${TOKEN} } query two${VARIABLES} { ${TOKEN} }`,
      ],
      [
        'and left out at once',
        `query ${VARIABLES} { a: ${TOKEN} b: ${TOKEN.replace(' {', ' @skip(if: true) {')} }`,
      ],
    ])('%s', async (_how, query) => {
      await expectRefused(query);
    });

    it('while one in a fragment is one', async () => {
      const query = `query ${VARIABLES} { ...it } fragment it on Query { ${TOKEN} }`;
      expect((await ask(query)).data?.serviceToken?.token).toMatch(/^eyJ/);
    });

    it('and stays limited when the same document comes again', async () => {
      const query = `query ${VARIABLES} { a: ${TOKEN} b: ${TOKEN} } # again`;
      for (let n = 0; n < 3; n += 1) await expectRefused(query);
    });
  });

  describe('to one of each long answer, however a second is asked for', () => {
    it.each([
      ['two catalogs', `a: catalog b: catalog`],
      ['the catalog twice as the same field', 'catalog catalog'],
      ['the catalog 57 times', Array.from({ length: 57 }, (_, n) => `c${n}: catalog`).join(' ')],
      ['two lists of services', 'a: availableServices { name } b: availableServices { name }'],
      ['a catalog in a fragment', 'catalog ... on CloudConnectorAccess { b: catalog }'],
      ['a field of a list eleven times', `availableServices { ${aliases('name', 11)} }`],
      ['a token eleven times', `serviceToken { ${aliases('token', 11)} }`],
    ])('%s', async (_what, selection) => {
      await expectRefused(`query ${VARIABLES} { ${ACCESS} { ${selection} } }`);
    });

    it('while one of each is what clients ask for', async () => {
      const all = 'catalog availableServices { name bundledWith } serviceToken { token }';
      const { data, code } = await ask(`query ${VARIABLES} { ${ACCESS} { ${all} } }`);
      expect(code).toBeNull();
      expect(Object.keys(data ?? {})).toEqual(['catalog', 'availableServices', 'serviceToken']);
    });
  });

  it('to one use of a fragment: some that use one another ask for millions of fields', async () => {
    const names = Array.from({ length: 14 }, (_, n) => `f${n}`);
    const spreads = (name: string | undefined, times: number) =>
      name === undefined ? 'types { name }' : `...${name} `.repeat(times);
    const query = (times: number) =>
      [
        `{ __schema { ${spreads(names[0], times)} } }`,
        ...names.map(
          (name, n) => `fragment ${name} on __Schema { ${spreads(names[n + 1], times)} }`,
        ),
      ].join(' ');
    expect((await ask(query(1))).code).toBeNull();
    // The second time a document would be compiled.
    for (let n = 0; n < 3; n += 1) await expectRefused(query(3));
  });

  it('in the depth of its document', async () => {
    const ofType = (depth: number) => 'ofType { '.repeat(depth) + 'name' + ' }'.repeat(depth);
    const deep = (depth: number) =>
      `{ __schema { types { fields { type { ${ofType(depth)} } } } } }`;
    expect((await ask(deep(1))).code).toBeNull();
    await expectRefused(deep(2));
    await expectRefused(deep(100));
  });

  it('in the tokens of its document', async () => {
    const type = (n: number) =>
      `t${n}: __type(name: "Query") { kind fields { name args { name } } } `;
    const query = `{ ${Array.from({ length: 10 }, (_, n) => type(n)).join('')} }`;
    expect((await ask(query)).code).toBeNull();
    const { errors } = await ask(`query ${VARIABLES} { ${ACCESS} { ${'catalog '.repeat(200)} } }`);
    expect(errors[0]?.message).toContain('cannot be parsed');
    await expectRefused(`${'{ a '.repeat(300)}${'}'.repeat(300)}`);
    await expectRefused(`{ ${'a'.repeat(500)} ${'b '.repeat(50_000)} }`);
  });

  it('in the length of its document, for documents are remembered', async () => {
    const query = (n: number) => `query ${VARIABLES} { ${ACCESS} { catalog } } # ${'x'.repeat(n)}`;
    expect((await ask(query(7000))).code).toBeNull();
    await expectRefused(query(8192));
  });

  it.each([
    ['a syntax tree as JSON', JSON.stringify({ kind: 'Document', definitions: [] })],
    [
      'a tree that asks for a field',
      JSON.stringify({
        kind: 'Document',
        definitions: [
          {
            kind: 'OperationDefinition',
            operation: 'query',
            selectionSet: {
              kind: 'SelectionSet',
              selections: [{ kind: 'Field', name: { kind: 'Name', value: '__typename' } }],
            },
          },
        ],
      }),
    ],
    ['any other JSON', '["query"]'],
    ['JSON behind white space', ' \n\t{ "kind": "Document" }'],
    ['JSON behind a byte order mark', '\ufeff{"kind":"Document"}'],
    ['a number', '1'],
    ['a word of JSON', 'null'],
  ])('to GraphQL in its document: %s is refused', async (_what, query) => {
    await expectRefused(query);
  });

  it('to POST: a key in the URL of a GET brings nothing', async () => {
    const before = await ledgerSize(issuer);
    const { licenseKey, gitlabVersion } = client.variables();
    const url = new URL(`${issuer.url}/graphql`);
    url.searchParams.set('query', QUERY);
    url.searchParams.set('variables', JSON.stringify({ licenseKey, gitlabVersion }));
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const text = await (await fetch(url, { method, headers: client.headers() })).text();
      expect(text).toContain('"errors"');
      expect(text).not.toMatch(/eyJ|"data"/);
    }
    expect(await ledgerSize(issuer)).toBe(before);
    expect(issuer.logs.join('')).not.toContain(licenseKey);
  });
});

function aliases(field: string, times: number): string {
  return Array.from({ length: times }, (_, n) => `a${n}: ${field}`).join(' ');
}
