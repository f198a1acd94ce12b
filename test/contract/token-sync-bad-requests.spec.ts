import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, type SyncAnswer, syncQuery } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const QUERY = syncQuery('serviceToken { token expiresAt }', { namesOperation: true });
const MEBIBYTE = 1_048_576;
/** In every request below as if it were a key; a name of GraphQL, so that it fits everywhere. */
const SECRET = 'SECRETKEY_OF_A_CUSTOMER';

describe('an unusable request', () => {
  let issuer: TestIssuer;
  let client: GitlabInstance;
  let variables: { readonly licenseKey: string; readonly gitlabVersion: string };

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock: new FakeClock(new Date('2026-03-10T12:00:00Z')) });
    const { licenseKey } = await registerPaidLicense(issuer);
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    variables = client.variables();
    // The same document several times, so that a compiled form of it is at work below.
    for (let n = 0; n < 3; n += 1) await client.send({ query: QUERY, variables });
  });
  afterAll(() => issuer.stop());

  async function expectRefused(request: Promise<SyncAnswer>): Promise<void> {
    const before = await ledgerSize(issuer);
    const answer = await request;
    expect(answer).toMatchObject({ status: 200, code: 'BAD_REQUEST', effect: 'keeps its tokens' });
    expect(answer.contentType).toBe('application/json');
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['errors']);
    expect(await ledgerSize(issuer)).toBe(before);
    expect(answer.text).not.toContain('SECRET');
    expect(issuer.logs.join('')).not.toContain('SECRET');
  }

  const MALFORMED: readonly [string, string][] = [
    ['nothing', ''],
    ['no JSON', `licenseKey=${SECRET}`],
    ['JSON that stops early', `{"query": "{ a }", "variables": {"licenseKey": "${SECRET}"`],
    ['JSON with an unquoted key', `{"query": "{ a }", "variables": {"licenseKey": ${SECRET}}}`],
    ['a batch', JSON.stringify([{ query: QUERY, variables: { licenseKey: SECRET } }])],
    ['null', 'null'],
    ['a string', `"${SECRET}"`],
    ['a number', '1'],
  ];
  it.each(MALFORMED)('whose body is %s is a BAD_REQUEST', async (_what, body) => {
    await expectRefused(client.send(body));
  });

  it.each([
    ['no query', {}],
    ['an empty query', { query: '' }],
    ['a query that is no string', { query: { [SECRET]: 1 } }],
    ['a query that is null', { query: null }],
    ['only a digest of a query', { extensions: { persistedQuery: { sha256Hash: SECRET } } }],
    ['variables in an array', { query: QUERY, variables: [SECRET] }],
    ['variables in a string', { query: QUERY, variables: `{"licenseKey":"${SECRET}"}` }],
    ['an operation name that is none', { query: QUERY, variables: {}, operationName: [SECRET] }],
    ['the name of another operation', { query: QUERY, variables: {}, operationName: SECRET }],
  ])('with %s is a BAD_REQUEST', async (_what, body) => {
    await expectRefused(client.send(body));
  });

  it.each([
    ['a number', 1],
    ['an object', { [SECRET]: SECRET }],
    ['a list', [SECRET]],
    ['null', null],
    ['true', true],
    ['missing', undefined],
  ])('whose license key is %s is a BAD_REQUEST', async (_what, licenseKey) => {
    await expectRefused(client.send({ query: QUERY, variables: { ...variables, licenseKey } }));
  });

  it.each([
    ['a number', 18.6],
    ['an object', { [SECRET]: SECRET }],
    ['a list', [SECRET]],
    ['null', null],
    ['missing', undefined],
  ])('whose version is %s is a BAD_REQUEST', async (_what, gitlabVersion) => {
    const given = { licenseKey: SECRET, gitlabVersion };
    await expectRefused(client.send({ query: QUERY, variables: given }));
  });

  it.each([
    [
      'does not parse',
      `{ cloudConnectorAccess(licenseKey: "${SECRET}", gitlabVersion: "18.6" { catalog }`,
    ],
    ['has the key without quotes', sync(`licenseKey: ${SECRET}, gitlabVersion: "18.6"`)],
    ['has the key as a list', sync(`licenseKey: ["${SECRET}"], gitlabVersion: "18.6"`)],
    ['has the key with an open quote', sync(`licenseKey: "${SECRET}, gitlabVersion: "18.6"`)],
    ['has the key over two lines', sync(`licenseKey: "${SECRET}\n", gitlabVersion: "18.6"`)],
    ['has the key as an argument', sync(`licenseKey: "k", gitlabVersion: "18.6", ${SECRET}: 1`)],
    ['has the key as a field', sync('licenseKey: "k", gitlabVersion: "18.6"', SECRET)],
    ['has the key as a field of the root', `{ ${SECRET} }`],
    [
      'has the key as a type',
      `query ($k: ${SECRET}) { cloudConnectorAccess(licenseKey: $k, gitlabVersion: "18.6") { catalog } }`,
    ],
    ['has the key as a variable', sync(`licenseKey: $${SECRET}, gitlabVersion: "18.6"`)],
    [
      'has the key as a directive',
      sync('licenseKey: "k", gitlabVersion: "18.6"', `catalog @${SECRET}`),
    ],
    ['has the key as a fragment', `{ ...${SECRET} }`],
    [
      'has the key as two operations',
      `query ${SECRET} { __typename } query ${SECRET} { __typename }`,
    ],
    [
      'selects nothing of the token',
      sync('licenseKey: "k", gitlabVersion: "18.6"', 'serviceToken'),
    ],
    ['leaves the version out', sync(`licenseKey: "${SECRET}"`)],
    ['is a mutation', `mutation { ${SECRET} }`],
    ['is a subscription', `subscription { ${SECRET} }`],
    ['is a schema', `type ${SECRET} { a: String }`],
  ])('whose document %s is a BAD_REQUEST', async (_what, query) => {
    await expectRefused(client.send({ query, variables }));
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/xml',
    'nonsense',
  ])('under the content type %s is a BAD_REQUEST', async (type) => {
    const body = JSON.stringify({ query: QUERY, variables: { ...variables, licenseKey: SECRET } });
    await expectRefused(client.send(body, { 'content-type': type }));
  });

  it('in a form is a BAD_REQUEST, though its fields are those of a good request', async () => {
    const query = sync(`licenseKey: "${variables.licenseKey}", gitlabVersion: "18.6"`);
    const form = new URLSearchParams({ query }).toString();
    await expectRefused(client.send(form, { 'content-type': 'application/x-www-form-urlencoded' }));
  });

  it('that is longer than 1 MiB is a BAD_REQUEST, and one of 1 MiB is read', async () => {
    const body = JSON.stringify({ query: QUERY, variables });
    const asLongAs = (bytes: number) => body.padEnd(bytes, ' ');
    expect((await client.send(asLongAs(MEBIBYTE))).effect).toBe('stores the token');
    await expectRefused(client.send(asLongAs(MEBIBYTE + 1)));
  });

  it('with a key in its URL finds it repeated neither in the answer nor in the log', async () => {
    const answer = await fetch(`${issuer.url}/graphql?licenseKey=${SECRET}`, { method: 'PUT' });
    expect(await answer.text()).not.toContain(SECRET);
    expect(issuer.logs.join('')).not.toContain(SECRET);
  });
});

function sync(args: string, selection = 'catalog'): string {
  return `{ cloudConnectorAccess(${args}) { ${selection} } }`;
}
