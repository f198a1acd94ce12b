import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, decodeJwt, decodeProtectedHeader, importJWK, type JWK } from 'jose';
import { parse } from 'yaml';
import { expectProblem } from '../api/problem.js';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { activate } from '../support/activation.js';
import {
  makeActivationCode,
  recordPurchase,
  registerLicense,
  registerPaidLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type AvailableServiceJson,
  type Generation,
  GENERATIONS,
  GitlabInstance,
  NEWEST,
  type SyncAnswer,
  type SyncField,
  syncQuery,
} from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerRows, ledgerSize, select } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const SUBSETS = (
  [
    ['serviceToken'],
    ['availableServices'],
    ['catalog'],
    ['serviceToken', 'availableServices'],
    ['serviceToken', 'catalog'],
    ['availableServices', 'catalog'],
    ['serviceToken', 'availableServices', 'catalog'],
  ] as const satisfies readonly (readonly SyncField[])[]
).map((fields) => ({ fields, names: fields.join(' and ') }));
const PAID = "cut_off_date: '2024-01-01T00:00:00Z'\n";
const DAY = 86_400;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** What section "The token" of the protocol promises, and nothing else. */
const CLAIMS = [
  'aud',
  'exp',
  'gitlab_instance_uid',
  'gitlab_realm',
  'iat',
  'iss',
  'jti',
  'nbf',
  'scopes',
  'sub',
];
const ONE = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const OTHER = '11111111-2222-4333-8444-555555555555';
const LISTS = ['backend_services', 'unit_primitives', 'add_ons', 'license_types'] as const;
const NOT_SET = 'GITLAB_INSTANCE_UUID_NOT_SET';
const QUERY = syncQuery('serviceToken { token expiresAt }', { namesOperation: true });
const ACTIVATION_CODE = 'Ab3dEf6hIj9kLm2nOp5qRs8t';
const MEBIBYTE = 1_048_576;
/** Stands for a key in every request below. It is a name of GraphQL, so that it fits everywhere. */
const SECRET = 'SECRETKEY_OF_A_CUSTOMER';
const VARIABLES = '($licenseKey: String!, $gitlabVersion: String!)';
const ACCESS = 'cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion)';
const TOKEN = `${ACCESS} { serviceToken { token } }`;
const BURST = 100;
/** So many free unit primitives that their token does not fit into a header line. */
const TOO_MANY = Object.fromEntries(
  Array.from({ length: 200 }, (_, n) => {
    const name = `a_unit_primitive_with_number_${n}`;
    return [
      `unit_primitives/${name}.yml`,
      `name: ${name}\ndescription: x\nbackend_services: [gateway]\n`,
    ];
  }),
);
/** Every field that some generation of clients selects. A missing one would fail its sync. */
const SDL = [
  'scalar JSON',
  'type AvailableService { name: String!  serviceStartTime: String  bundledWith: [String!] }',
  'input CloudActivationActivateInput { activationCode: String!  instanceIdentifier: String!  uniqueInstanceId: String  automated: Boolean  gitlabVersion: String  hostname: String }',
  'type CloudActivationActivatePayload { licenseKey: String  futureSubscriptions: [FutureSubscription!]  newSubscription: Boolean  errors: [String!] }',
  'type FutureSubscription { cloudLicenseEnabled: Boolean  offlineCloudLicenseEnabled: Boolean  plan: String  company: String  email: String  name: String  startsAt: String  expiresAt: String  usersInLicenseCount: Int }',
  'type Mutation { cloudActivationActivate(input: CloudActivationActivateInput!): CloudActivationActivatePayload }',
  'type CloudConnectorAccess { serviceToken: ServiceToken  availableServices: [AvailableService!]  catalog: JSON }',
  'type Query { cloudConnectorAccess(licenseKey: String!, gitlabVersion: String): CloudConnectorAccess }',
  'type ServiceToken { token: String  expiresAt: String }',
];
const WEEK = 7 * 86_400_000;

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('token sync', () => {
  let licenseKey: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    ({ licenseKey } = await registerPaidLicense(issuer));
    await new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID }).serviceToken();
  });

  function instance(generation: Generation, key = licenseKey): GitlabInstance {
    return new GitlabInstance(issuer.url, { licenseKey: key, instanceId: INSTANCE_ID }, generation);
  }

  describe.each(Object.entries(GENERATIONS))('of %s', (_name, generation) => {
    it('brings a token that the instance stores, in exactly application/json', async () => {
      const answer = await instance(generation).sync();
      expect(answer).toMatchObject({ status: 200, effect: 'stores the token', errors: [] });
      expect(answer.contentType).toBe('application/json');
      expect(Object.keys(answer.data ?? {})).toEqual(generation.fields);
    });

    it.each(SUBSETS)(
      'answers the selection of $names with those fields only',
      async ({ fields }) => {
        const { data, errors } = await instance(generation).sync(fields);
        expect(errors).toEqual([]);
        expect(Object.keys(data ?? {})).toEqual(fields);
        expect(Object.values(data ?? {})).not.toContain(null);
      },
    );

    it('may name its operation or leave it anonymous', async () => {
      for (const namesOperation of [true, false]) {
        const answer = await instance({ ...generation, namesOperation }).sync();
        expect(answer.effect).toBe('stores the token');
      }
    });
  });

  it.each([
    ['token', { token: expect.any(String) as string }],
    ['expiresAt', { expiresAt: '2026-03-13T12:00:00.000Z' }],
  ])('answers the half selection serviceToken { %s }', async (member, expected) => {
    const query = syncQuery(`serviceToken { ${member} }`, { namesOperation: true });
    const client = instance(NEWEST);
    const { data, errors } = await client.send({ query, variables: client.variables() });
    expect(errors).toEqual([]);
    expect(data).toEqual({ serviceToken: expected });
  });

  it('takes the version from the variable, not from the header', async () => {
    const client = instance(NEWEST);
    const query = syncQuery('serviceToken { token }', { namesOperation: true });
    const variables = { ...client.variables(), gitlabVersion: '16.7.0' };
    const { data } = await client.send({ query, variables }, { 'x-gitlab-version': '18.6.0' });
    const { scopes } = decodeJwt(data?.serviceToken?.token ?? '');
    expect(scopes).toContain('ask_epic');
    expect(scopes).not.toContain('complete_code'); // asks for 16.8
  });

  it('ignores members of the body and variables that it does not know', async () => {
    const client = instance(NEWEST);
    const query = syncQuery('serviceToken { token expiresAt }', { namesOperation: true });
    const variables = { ...client.variables(), later: { generation: true } };
    const answer = await client.send({ query, variables, extensions: {}, later: 1 });
    expect(answer.effect).toBe('stores the token');
  });

  it.each([
    ['a variable that is not used', QUERY.replace('($', '($fleet: Int!, $')],
    ['its key declared as nullable', QUERY.replace('licenseKey: String!', 'licenseKey: String')],
    ['a name of its own for the key', QUERY.replaceAll('$licenseKey', '$key')],
  ])('may have %s in its document', async (_what, query) => {
    const client = instance(NEWEST);
    const answer = await client.send({
      query,
      variables: { ...client.variables(), key: licenseKey },
    });
    expect(answer).toMatchObject({ errors: [], effect: 'stores the token' });
  });

  it.each([
    ['4 KB in 60 lines', 'a4-'.padEnd(66, 'k'), '\n', 60],
    ['4 KB in 60 lines of Windows', 'b4-'.padEnd(66, 'k'), '\r\n', 60],
    ['one line', 'c1-'.padEnd(66, 'k'), '', 1],
  ])('finds a registered key of %s however its lines end', async (_what, line, ending, lines) => {
    const key = Array.from({ length: lines }, (_, n) => `${line}${n}`).join(ending);
    await registerPaidLicense(issuer, { license_key: key });
    const unix = key.replaceAll('\r\n', '\n');
    const windows = unix.replaceAll('\n', '\r\n');
    for (const sent of [unix, windows, `${unix}\n`, `${windows}\r\n`, `\n  ${unix} \t\n\n`]) {
      const answer = await instance(NEWEST, sent).sync(['serviceToken']);
      expect(answer.effect).toBe('stores the token');
    }
  });

  it.each([
    '\u200b',
    '\u200c',
    '\u200d',
    '\u2060',
    '\ufeff',
    '\u00ad',
    '\u200e',
    '\u202a',
    '\u2069',
  ])('trims %j around keys and codes like a blank, wherever one is pasted', async (invisible) => {
    const around = (text: string) => `${invisible} ${text}${invisible}\n${invisible}`;
    const key = `a key with ${invisible} inside ${randomUUID()}`;
    const { id } = await registerPaidLicense(issuer, { license_key: around(key) });
    for (const sent of [key, around(key)]) {
      expect((await instance(NEWEST, sent).sync()).effect).toBe('stores the token');
      const seatLink = await fetch(`${issuer.url}/api/v1/seat_links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ license_key: sent }),
      });
      expect(await seatLink.json()).toMatchObject({ license: key });
    }
    const { code } = await makeActivationCode(issuer, id);
    const { payload } = await activate(issuer, around(code), INSTANCE_ID);
    expect(payload).toMatchObject({ licenseKey: key, errors: [] });
    expect((await instance(NEWEST, around(code)).sync()).code).toBe('ACTIVATION_CODE_GIVEN');
    const cancellation = { license_key: around(key) };
    const refused = await issuer.admin('PUT', `licenses/${id}/cancellation_key`, cancellation);
    expect(refused.status).toBe(422);
  });

  it('tells two keys apart that differ only inside', async () => {
    const key = 'first line of a key\nsecond line of a key';
    await registerPaidLicense(issuer, { license_key: key });
    for (const other of [key.replace('\n', '\n\n'), key.replace('\n', ' '), key.toUpperCase()]) {
      expect((await instance(NEWEST, other).sync()).code).toBe('LICENSE_NOT_FOUND');
    }
  });

  it('leaves no token and no key in the log', async () => {
    const { token } = await instance(NEWEST).serviceToken();
    const log = issuer.logs.join('');
    expect(log).toContain('"route":"/graphql"');
    expect(log).not.toContain(licenseKey);
    expect(log).not.toContain(token.split('.')[2]);
  });
});

describe('what a sync grants', () => {
  /** A catalog in which nothing is free after 2026-04-01 12:00. */
  const CATALOG = {
    'unit_primitives/ask_epic.yml': `name: ask_epic\ndescription: Asks\n${PAID}backend_services: [gateway]\nadd_ons: [duo_pro]\n`,
    'unit_primitives/gated.yml': `name: gated\ndescription: From 17.10 on\n${PAID}min_gitlab_version: '17.10'\nbackend_services: [gateway]\nadd_ons: [duo_enterprise]\n`,
    'unit_primitives/beta.yml':
      "name: beta\ndescription: Free for a while\ncut_off_date: 2026-04-01T14:00:00+02:00\nmin_gitlab_version_for_free_access: '18.0'\nbackend_services: [other]\nadd_ons: [duo_enterprise]\n",
    'unit_primitives/silent.yml':
      'name: silent\ndescription: Has no backend\nadd_ons: [duo_core]\n',
    'unit_primitives/best.yml': `name: best\ndescription: For Ultimate\n${PAID}license_types: [ultimate]\nalias_names: [finest, old_best]\nbackend_services: [gateway]\nadd_ons: [duo_core]\n`,
    'backend_services/other.yml': 'name: other\njwt_aud: gitlab-other\n',
    'add_ons/duo_core.yml': 'name: duo_core\n',
    'add_ons/duo_enterprise.yml': 'name: duo_enterprise\n',
    'license_types/premium.yml': 'name: premium\n',
  };
  const clock = new FakeClock();
  let issuer: TestIssuer;

  beforeAll(async () => {
    clock.set('2026-05-01T00:00:00Z');
    issuer = await startTestIssuer({ clock, environment: { CATALOG_DIR: catalogFolder(CATALOG) } });
  });
  beforeEach(() => {
    clock.set('2026-05-01T00:00:00Z');
  });
  afterAll(async () => {
    await issuer.stop();
    removeCatalogFolders();
  });

  function sync(licenseKey: string, version = '18.6.0-ee'): Promise<SyncAnswer> {
    const identity = { licenseKey, instanceId: INSTANCE_ID };
    return new GitlabInstance(issuer.url, identity, { ...NEWEST, version }).sync(['serviceToken']);
  }

  /** The scopes and audiences of the token, or the code of the denial. */
  async function granted(licenseKey: string, version?: string) {
    const { data, code } = await sync(licenseKey, version);
    if (code !== null) return code;
    const { scopes, aud } = decodeJwt(data?.serviceToken?.token ?? '');
    return { scopes, aud };
  }

  it('is never an empty token: without a purchase it is NOTHING_TO_GRANT', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const before = await ledgerSize(issuer);
    const answer = await sync(licenseKey);
    expect(answer).toMatchObject({
      status: 200,
      code: 'NOTHING_TO_GRANT',
      effect: 'keeps its tokens',
    });
    expect(answer.contentType).toBe('application/json');
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['errors']);
    expect(answer.errors[0]?.message).toContain('buy an add-on');
    expect(await ledgerSize(issuer)).toBe(before);
    expect(await select(issuer, 'SELECT 1 FROM instances WHERE license_id = $1', [id])).toEqual([]);
  });

  it('does not matter when the tokens of the license are revoked', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`);
    expect(await sync(licenseKey)).toMatchObject({ errors: [], effect: 'deletes its tokens' });
  });

  it('is decided last: a sync without an instance is denied before', async () => {
    const { licenseKey } = await registerLicense(issuer);
    const unnamed = new GitlabInstance(issuer.url, { licenseKey });
    expect((await unnamed.sync()).code).toBe('INSTANCE_UNKNOWN');
    const invalid = new GitlabInstance(issuer.url, { licenseKey, instanceId: 'not set' });
    expect((await invalid.sync()).code).toBe('INSTANCE_ID_INVALID');
    expect((await sync(licenseKey)).code).toBe('NOTHING_TO_GRANT');
  });

  it('is described by a catalog that keeps older names of unit primitives', async () => {
    const { licenseKey } = await registerLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const seen = (await client.sync(['catalog'])).data?.catalog;
    const shown: unknown = await (await issuer.admin('GET', 'catalog')).json();
    for (const catalog of [seen, shown] as { unit_primitives: { name: string }[] }[]) {
      const named = catalog.unit_primitives.filter((each) => 'alias_names' in each);
      expect(named).toMatchObject([{ name: 'best', alias_names: ['finest', 'old_best'] }]);
    }
  });

  it('names only the audiences of what is granted', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_pro' });
    expect(await granted(licenseKey)).toEqual({ scopes: ['ask_epic'], aud: ['gitlab-gateway'] });
    await recordPurchase(issuer, id, { add_on: 'duo_enterprise' });
    expect(await granted(licenseKey)).toEqual({
      scopes: ['ask_epic', 'beta', 'gated'],
      aud: ['gitlab-gateway', 'gitlab-other'],
    });
  });

  it('needs the minimum version of a primitive, compared by its numbers', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_enterprise' });
    const old = { scopes: ['beta'], aud: ['gitlab-other'] };
    for (const version of ['17.9.9', '17.9', '16.11.0-ee', '17.9.99-pre']) {
      expect({ version, ...((await granted(licenseKey, version)) as object) }).toEqual({
        version,
        ...old,
      });
    }
    for (const version of ['17.10', '17.10.0', '17.10.0-pre', '17.10.0-ee', '18.0']) {
      expect(await granted(licenseKey, version)).toMatchObject({ scopes: ['beta', 'gated'] });
    }
  });

  it.each([
    ['X-Gitlab-Version', { 'x-gitlab-version': '18.6.0-ee' }, ['beta', 'gated']],
    ['User-Agent', { 'user-agent': 'GitLab/18.6.0-ee' }, ['beta', 'gated']],
    [
      'X-Gitlab-Version first',
      { 'x-gitlab-version': '17.9', 'user-agent': 'GitLab/18.6' },
      ['beta'],
    ],
    [
      'an empty X-Gitlab-Version',
      { 'x-gitlab-version': '', 'user-agent': 'GitLab/18.6' },
      ['beta', 'gated'],
    ],
    ['nothing, which passes no gate', { 'user-agent': 'curl/8.5.0' }, ['beta']],
    ['an unreadable X-Gitlab-Version', { 'x-gitlab-version': 'latest' }, 'GITLAB_VERSION_INVALID'],
    ['an unreadable User-Agent', { 'user-agent': 'GitLab/latest' }, 'GITLAB_VERSION_INVALID'],
  ])('has, without the argument, the version of %s', async (_place, headers, expected) => {
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_enterprise' });
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const unnamed = { 'x-gitlab-version': '', 'user-agent': '' };
    for (const [query, variables] of [
      [syncQuery('serviceToken { token }', GENERATIONS['the first GitLab']), { licenseKey }],
      [QUERY.replace('Version: String!', 'Version: String'), { licenseKey, gitlabVersion: null }],
    ] as const) {
      const { data, code } = await client.send({ query, variables }, { ...unnamed, ...headers });
      const { token } = data?.serviceToken ?? {};
      expect(token ? decodeJwt(token)['scopes'] : code).toEqual(expected);
    }
  });

  it('names its unknown version to admins, who can ask what it gets', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_enterprise' });
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const query = syncQuery('serviceToken { token }', GENERATIONS['the first GitLab']);
    const plain = { 'x-gitlab-version': '', 'user-agent': 'script' };
    await client.send({ query, variables: { licenseKey } }, plain);
    const list = await issuer.admin('GET', `instances?license_id=${id}`);
    const { items } = (await list.json()) as { items: unknown[] };
    expect(items).toMatchObject([{ gitlab_version: 'unknown' }]);
    const asked = await issuer.admin('GET', `licenses/${id}/entitlements?gitlab_version=unknown`);
    expect(await asked.json()).toMatchObject({ gitlab_version: 'unknown', scopes: ['beta'] });
  });

  it('is free up to the instant of the cut-off and sold from then on', async () => {
    const { licenseKey } = await registerLicense(issuer);
    clock.set('2026-04-01T11:59:59.999Z');
    expect(await granted(licenseKey)).toEqual({ scopes: ['beta'], aud: ['gitlab-other'] });
    expect(await granted(licenseKey, '18.0.0-ee')).toMatchObject({ scopes: ['beta'] });
    expect(await granted(licenseKey, '17.11.9')).toBe('NOTHING_TO_GRANT');
    clock.set('2026-04-01T12:00:00Z');
    expect(await granted(licenseKey)).toBe('NOTHING_TO_GRANT');
  });

  it('lasts from the first day of a purchase until the day before it ends, in UTC', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, {
      add_on: 'duo_pro',
      started_at: '2026-06-10',
      expires_on: '2026-06-20',
    });
    const steps = [
      ['2026-06-09T23:59:59.999Z', false],
      ['2026-06-10T00:00:00.000Z', true],
      ['2026-06-19T23:59:59.999Z', true],
      ['2026-06-20T00:00:00.000Z', false],
    ] as const;
    for (const [now, grants] of steps) {
      clock.set(now);
      const { code } = await sync(licenseKey);
      expect({ now, code }).toEqual({ now, code: grants ? null : 'NOTHING_TO_GRANT' });
    }
  });

  it('counts a purchase without a start as started', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await recordPurchase(issuer, id, { add_on: 'duo_pro', started_at: null });
    expect(await granted(licenseKey)).toMatchObject({ scopes: ['ask_epic'] });
  });

  it('ends with a purchase that is ended, and never starts with one that is voided', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const ended = await recordPurchase(issuer, id, { add_on: 'duo_pro' });
    const voided = await recordPurchase(issuer, id, {
      add_on: 'duo_enterprise',
      started_at: '2026-07-01',
    });
    expect(await granted(licenseKey)).toMatchObject({ scopes: ['ask_epic'] });
    for (const purchase of [ended, voided]) {
      await issuer.admin('DELETE', `add_on_purchases/${purchase.id}`);
    }
    expect(await granted(licenseKey)).toBe('NOTHING_TO_GRANT');
    clock.set('2026-07-01T00:00:00Z');
    expect(await granted(licenseKey)).toBe('NOTHING_TO_GRANT');
  });

  it('follows the plans that a primitive lists', async () => {
    const ultimate = await registerLicense(issuer);
    const premium = await registerLicense(issuer, { plan: 'premium' });
    for (const { id } of [ultimate, premium])
      await recordPurchase(issuer, id, { add_on: 'duo_core' });
    // `silent` is free and is never among them: without a backend it has no audience.
    expect(await granted(ultimate.licenseKey)).toMatchObject({ scopes: ['best'] });
    expect(await granted(premium.licenseKey)).toBe('NOTHING_TO_GRANT');
  });

  it('counts the purchases of one license for that license only', async () => {
    const paid = await registerLicense(issuer);
    await recordPurchase(issuer, paid.id, { add_on: 'duo_pro' });
    const unpaid = await registerLicense(issuer);
    expect(await granted(unpaid.licenseKey)).toBe('NOTHING_TO_GRANT');
  });
});

describe('the claims of a service token', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00.900Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00.900Z');
  });

  /** Verified with the published keys alone. */
  async function verified(token: string): Promise<Claims> {
    const { keys } = (await (await fetch(`${issuer.url}/oauth/discovery/keys`)).json()) as {
      keys: readonly JWK[];
    };
    const { kid } = decodeProtectedHeader(token);
    const key = keys.find((published) => published.kid === kid);
    if (!key) throw new Error(`no published key has the kid ${String(kid)}`);
    const { payload } = await compactVerify(token, await importJWK(key, 'RS256'));
    return JSON.parse(new TextDecoder().decode(payload)) as Claims;
  }

  async function synced(licenseKey: string): Promise<{ claims: Claims; expiresAt: string }> {
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const { token, expiresAt } = await client.serviceToken();
    return { claims: await verified(token), expiresAt };
  }

  it('are exactly those of the protocol', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { claims } = await synced(licenseKey);
    expect(Object.keys(claims).sort()).toEqual(CLAIMS);
    expect(claims).toMatchObject({
      iss: issuer.url,
      sub: INSTANCE_ID,
      gitlab_realm: 'self-managed',
      jti: expect.stringMatching(UUID_V7) as string,
    });
  });

  it('have a header with typ, alg and kid', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const { token } = await client.serviceToken();
    const header = decodeProtectedHeader(token);
    expect(Object.keys(header)).toEqual(['typ', 'alg', 'kid']);
    expect(header).toMatchObject({ typ: 'JWT', alg: 'RS256' });
  });

  it('last three days from a whole second, and are issued and valid from five seconds before', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { claims, expiresAt } = await synced(licenseKey);
    const now = Date.parse('2026-03-10T12:00:00Z') / 1000;
    expect(claims).toMatchObject({ iat: now - 5, nbf: now - 5, exp: now + 3 * DAY });
    expect(expiresAt).toBe('2026-03-13T12:00:00.000Z');
  });

  it('have the moment of issue in the jti', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { claims } = await synced(licenseKey);
    const milliseconds = Number.parseInt(claims.jti.replace('-', '').slice(0, 12), 16);
    expect(milliseconds).toBe(clock.now().getTime());
  });

  it('have the sorted union of the free scopes and those of every active purchase', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const free = ['duo_workflow_execute_workflow', 'observability_all', 'security_scans'];
    expect((await synced(licenseKey)).claims.scopes).toEqual(free);

    await recordPurchase(issuer, id, { add_on: 'duo_core' });
    await recordPurchase(issuer, id, { add_on: 'self_hosted_dap' });
    await recordPurchase(issuer, id, { add_on: 'duo_pro', expires_on: '2026-03-10' });
    const { scopes, aud } = (await synced(licenseKey)).claims;
    expect(scopes).toEqual([...scopes].sort());
    expect(scopes).toEqual(expect.arrayContaining([...free, 'complete_code']));
    expect(scopes).toContain('self_hosted_duo_agent_platform');
    expect(scopes).not.toContain('include_file_context');
    expect(aud).toEqual([
      'gitlab-ai-gateway',
      'gitlab-duo-workflow-service',
      'gitlab-observability-backend',
      'gitlab-security-gateway',
    ]);
  });

  describe('end with the grace of the license, 14 days after it expires', () => {
    const graceEnd = Date.parse('2026-06-15T00:00:00Z') / 1000;

    it.each([
      ['2026-06-11T23:59:59Z', 'a second before the grace shortens them', graceEnd - 1],
      ['2026-06-12T00:00:00Z', 'at the last instant that is not shortened', graceEnd],
      ['2026-06-12T00:00:01Z', 'a second later', graceEnd],
      ['2026-06-14T23:59:59.999Z', 'in the last millisecond of the grace', graceEnd],
    ])('synced at %s: %s', async (now, _when, exp) => {
      const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2026-06-01' });
      clock.set(now);
      const { claims, expiresAt } = await synced(licenseKey);
      expect(claims.exp).toBe(exp);
      expect(Date.parse(expiresAt)).toBe(exp * 1000);
      expect(claims.exp).toBeGreaterThan(claims.iat);
    });

    it('whether it is a trial or not', async () => {
      const trial = { expires_on: '2026-06-01', trial: true };
      const { licenseKey } = await registerPaidLicense(issuer, trial);
      clock.set('2026-06-14T12:00:00Z');
      expect((await synced(licenseKey)).claims.exp).toBe(graceEnd);
    });

    it('and not with a purchase that ends before', async () => {
      const { id, licenseKey } = await registerLicense(issuer);
      await recordPurchase(issuer, id, { expires_on: '2026-03-11' });
      const { claims } = await synced(licenseKey);
      expect(claims.exp - claims.iat).toBe(3 * DAY + 5);
    });
  });

  it.each(['online_cloud', 'offline_cloud'])(
    'are issued for a license of kind %s',
    async (kind) => {
      const { licenseKey } = await registerPaidLicense(issuer, { kind });
      expect((await synced(licenseKey)).claims.sub).toBe(INSTANCE_ID);
    },
  );
});

describe('the lifetime that the operator chose', () => {
  it('counts for the token, and so does the back-dating', async () => {
    const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
    const environment = { SERVICE_TOKEN_TTL_SECONDS: '200000', NOT_BEFORE_SKEW_SECONDS: '60' };
    const issuer = await startTestIssuer({ clock, environment });
    const { licenseKey } = await registerPaidLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const { token } = await client.serviceToken();
    const claims = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Claims;
    const now = clock.now().getTime() / 1000;
    expect(claims).toMatchObject({ iat: now - 60, nbf: now - 60, exp: now + 200_000 });
    await issuer.stop();
  });
});

describe('the instance that a token names', () => {
  let licenseKey: string;
  let licenseId: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.advance(60_000);
    ({ licenseKey, id: licenseId } = await registerPaidLicense(issuer));
  });

  function named(instanceId: string): GitlabInstance {
    return new GitlabInstance(issuer.url, { licenseKey, instanceId });
  }

  function unnamed(): GitlabInstance {
    return new GitlabInstance(issuer.url, { licenseKey }, GENERATIONS['GitLab 16.8']);
  }

  async function claimsOf(instance: GitlabInstance) {
    const { sub, gitlab_instance_uid } = decodeJwt((await instance.serviceToken()).token);
    return { sub, uid: gitlab_instance_uid };
  }

  it('is the one that its header names', async () => {
    expect((await claimsOf(named(ONE))).sub).toBe(ONE);
  });

  it('keeps its UUID byte for byte, upper case included', async () => {
    const mixed = '8D1C1F3E-2b7a-4C0E-9f53-6A1B2C3D4E5F';
    expect((await claimsOf(named(mixed))).sub).toBe(mixed);
    clock.advance(1000);
    expect((await claimsOf(unnamed())).sub).toBe(mixed);
  });

  it('accepts any version of UUID', async () => {
    const nil = '00000000-0000-0000-0000-000000000000';
    expect((await claimsOf(named(nil))).sub).toBe(nil);
  });

  it('is, without a header, the last one that used the license, if no other did for 14 days', async () => {
    await named(ONE).serviceToken();
    clock.advance(1000);
    const otherSeen = clock.now().getTime();
    await named(OTHER).serviceToken();
    clock.advance(1000);
    expect((await unnamed().sync()).code).toBe('INSTANCE_AMBIGUOUS');
    clock.set(new Date(otherSeen + 2 * WEEK - 1));
    await named(ONE).serviceToken();
    expect((await unnamed().sync()).code).toBe('INSTANCE_AMBIGUOUS');
    clock.set(new Date(otherSeen + 2 * WEEK));
    expect((await claimsOf(unnamed())).sub).toBe(ONE);
    // Neither was seen for a long time.
    clock.advance(5 * WEEK);
    expect((await claimsOf(unnamed())).sub).toBe(ONE);
  });

  it.each([
    [
      'an activation',
      async () => activate(issuer, (await makeActivationCode(issuer, licenseId)).code, OTHER),
    ],
    ['a seat link', () => seatLink()],
  ])('is not known, without a header, after %s of another one', async (_what, use) => {
    await named(ONE).serviceToken();
    await use();
    const answer = await unnamed().sync();
    expect(answer).toMatchObject({ code: 'INSTANCE_AMBIGUOUS', effect: 'keeps its tokens' });
    expect(answer.errors[0]?.message).toContain('X-Gitlab-Instance-Id');
    expect((await unnamed().sync(['catalog'])).errors).toEqual([]);
    expect((await claimsOf(named(ONE))).sub).toBe(ONE);
    expect((await claimsOf(named(OTHER))).sub).toBe(OTHER);
    expect(
      (await new GitlabInstance(issuer.url, { licenseKey, instanceId: NOT_SET }).sync()).code,
    ).toBe('INSTANCE_ID_INVALID');
  });

  function seatLink(): Promise<Response> {
    return fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ license_key: licenseKey, instance_id: OTHER }),
    });
  }

  it('is never an instance of another license', async () => {
    await named(ONE).serviceToken();
    const another = await registerPaidLicense(issuer);
    const stranger = new GitlabInstance(issuer.url, another, GENERATIONS['the documented script']);
    expect((await stranger.sync()).code).toBe('INSTANCE_UNKNOWN');
  });

  it('treats an empty header as absent', async () => {
    await named(ONE).serviceToken();
    const { data } = await unnamed().send(
      {
        query: `query($k: String!) {
          cloudConnectorAccess(licenseKey: $k, gitlabVersion: "18.0") { serviceToken { token } }
        }`,
        variables: { k: licenseKey },
      },
      { 'x-gitlab-instance-id': '' },
    );
    expect(decodeJwt(data?.serviceToken?.token ?? '').sub).toBe(ONE);
  });

  it('has a uid of our own, which differs by instance and never changes', async () => {
    const first = await claimsOf(named(ONE));
    const other = await claimsOf(named(OTHER));
    clock.advance(86_400_000);
    expect(await claimsOf(named(ONE))).toEqual(first);
    expect(await claimsOf(named(OTHER))).toEqual(other);
    expect(first).toMatchObject({
      sub: ONE,
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
    expect(other.sub).toBe(OTHER);
    expect(new Set([first.uid, other.uid, ONE, OTHER]).size).toBe(4);
  });

  it('gets one row and one uid when its first syncs come at the same time', async () => {
    const tokens = await Promise.all(Array.from({ length: 12 }, () => claimsOf(named(ONE))));
    expect(new Set(tokens.map(({ uid }) => uid)).size).toBe(1);
    const rows = await select(issuer, 'SELECT id FROM instances WHERE license_id = $1', [
      licenseId,
    ]);
    expect(rows).toHaveLength(1);
    const issued = (await ledgerRows(issuer)).filter((row) => row.license_id === licenseId);
    expect(issued).toHaveLength(12);
  });

  it('is shown to admins with its version, its host and its last sync', async () => {
    await named(ONE).serviceToken();
    const response = await issuer.admin('GET', `instances?license_id=${licenseId}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      items: [
        {
          license_id: licenseId,
          instance_uuid: ONE,
          unique_instance_id: null,
          host_name: 'gitlab.example.com',
          gitlab_version: '18.6.0-ee',
          last_sync_at: clock.now().toISOString(),
          last_seen_at: clock.now().toISOString(),
        },
      ],
      next_cursor: null,
    });
  });

  it('keeps its host when a later sync names none', async () => {
    await named(ONE).serviceToken();
    clock.advance(1000);
    await unnamed().serviceToken();
    const [row] = await select<{ host_name: string; gitlab_version: string }>(
      issuer,
      'SELECT host_name, gitlab_version FROM instances WHERE license_id = $1',
      [licenseId],
    );
    expect(row).toEqual({ host_name: 'gitlab.example.com', gitlab_version: '16.8.0-ee' });
  });
});

describe('what a sync answers beside the token', () => {
  const CATALOG = join(__dirname, '../../config/catalog');
  /** The catalog's files, read without the service. */
  function files(kind: string): Item[] {
    const folder = join(CATALOG, kind);
    return readdirSync(folder)
      .sort()
      .map((file) => parse(readFileSync(join(folder, file), 'utf8')) as Item);
  }
  let client: GitlabInstance;
  let catalog: CatalogJson;
  let services: readonly AvailableServiceJson[];

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    // Without a purchase and with an old version, because neither filters the answer.
    const { licenseKey } = await registerLicense(issuer, { plan: 'premium' });
    client = new GitlabInstance(issuer.url, { licenseKey }, GENERATIONS['GitLab 16.8']);
    const { data } = await client.sync(['catalog', 'availableServices']);
    catalog = data?.catalog as CatalogJson;
    services = data?.availableServices ?? [];
  });

  describe('the catalog', () => {
    it('is an object with four lists, not a text', () => {
      expect(Object.keys(catalog).sort()).toEqual([...LISTS].sort());
      for (const list of LISTS) expect(catalog[list].length).toBeGreaterThan(1);
    });

    it.each(LISTS)('has in %s exactly what the shipped files state', (list) => {
      const shipped = files(list).map((item) =>
        Object.fromEntries(
          Object.entries(item)
            .filter(([, value]) => value !== null)
            .map(([key, value]) =>
              key === 'cut_off_date'
                ? [key, String(value).replace(/Z$/, '.000+00:00')]
                : [key, value],
            ),
        ),
      );
      const answered = catalog[list].map((item) =>
        // An empty list and none are the same to an instance.
        Object.fromEntries(
          Object.entries(item).filter(([, value]) => !Array.isArray(value) || value.length > 0),
        ),
      );
      const asked = shipped.map((item) =>
        Object.fromEntries(
          Object.entries(item).filter(([, value]) => !Array.isArray(value) || value.length > 0),
        ),
      );
      expect(sortedLists(answered)).toEqual(sortedLists(asked));
    });

    it('has only members that instances know, in snake case, none of them null', () => {
      const known = {
        backend_services: 'name description group jwt_aud project_url',
        unit_primitives:
          'name description group feature_category documentation_url milestone introduced_by_url ' +
          'unit_primitive_issue_url deprecated_by_url deprecation_message cut_off_date ' +
          'min_gitlab_version min_gitlab_version_for_free_access license_types backend_services add_ons',
        add_ons: 'name description',
        license_types: 'name description',
      };
      for (const list of LISTS) {
        for (const [member, value] of catalog[list].flatMap(Object.entries)) {
          expect(known[list].split(' ')).toContain(member);
          expect(value).not.toBeNull();
        }
      }
    });

    it('writes a cut-off as an instant with a numeric offset', () => {
      const dates = catalog.unit_primitives.flatMap(({ cut_off_date }) => cut_off_date ?? []);
      expect(dates).toContain('2024-10-17T00:00:00.000+00:00');
      for (const date of dates) {
        expect(date).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
      }
    });

    it('refers only to names that it lists', () => {
      const names = (list: (typeof LISTS)[number]) => catalog[list].map(({ name }) => name);
      for (const unitPrimitive of catalog.unit_primitives) {
        for (const relation of ['backend_services', 'add_ons', 'license_types'] as const) {
          const related = (unitPrimitive[relation] ?? []) as string[];
          expect(names(relation)).toEqual(expect.arrayContaining(related));
        }
      }
    });
  });

  describe('the available services', () => {
    const unitPrimitives = files('unit_primitives') as UnitPrimitiveFile[];
    const groups = files('services') as ServiceFile[];

    function unitPrimitive(name: string | undefined): UnitPrimitiveFile {
      const found = unitPrimitives.find((each) => each.name === name);
      if (!found) throw new Error(`no unit primitive ${String(name)}`);
      return found;
    }

    /** The rule of the protocol, implemented again on the files. */
    function expected(): AvailableServiceJson[] {
      const own = groups.filter(({ gitlab_realm = ['self-managed'] }) =>
        gitlab_realm.includes('self-managed'),
      );
      const single = unitPrimitives.filter(
        ({ name }) => !groups.some((group) => group.name === name),
      );
      return [
        ...own.map((group) =>
          service(
            group.name,
            unitPrimitive(group.basic_unit_primitive ?? group.unit_primitives[0]).cut_off_date,
            group.unit_primitives.flatMap((name) => unitPrimitive(name).add_ons ?? []),
          ),
        ),
        ...single.map(({ name, cut_off_date, add_ons = [] }) =>
          service(name, cut_off_date, add_ons),
        ),
      ].sort((one, other) => (one.name < other.name ? -1 : 1));
    }

    it('follow the rule, for every service of the realm and every single primitive', () => {
      expect(services).toEqual(expected());
    });

    it('are sorted by name, each once', () => {
      const names = services.map(({ name }) => name);
      expect(names).toEqual([...new Set(names)].sort());
    });

    it('leave out what is grouped for another realm only', () => {
      const names = services.map(({ name }) => name);
      expect(names).not.toContain('sast');
      expect(names).not.toContain('self_hosted_models');
      expect(names).toContain('security_scans');
      expect(names).toContain('code_suggestions');
    });

    it('have the cut-off of the basic primitive and the union of the add-ons', () => {
      expect(services.find(({ name }) => name === 'code_suggestions')).toEqual({
        name: 'code_suggestions',
        serviceStartTime: '2024-02-15T00:00:00.000Z',
        bundledWith: ['duo_core', 'duo_enterprise', 'duo_pro'],
      });
      expect(services.find(({ name }) => name === 'duo_workflow')).toEqual({
        name: 'duo_workflow',
        serviceStartTime: null,
        bundledWith: null,
      });
    });
  });
});

describe('a sync is denied', () => {
  let before: number;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    before = await ledgerSize(issuer);
  });

  function sync(licenseKey: string, instanceId: string | null = INSTANCE_ID): Promise<SyncAnswer> {
    return new GitlabInstance(issuer.url, { licenseKey, instanceId }).sync();
  }

  /** Every denial looks like this: stored tokens stay, nothing was issued, and the admin sees why. */
  async function expectDenied(answer: SyncAnswer, code: string): Promise<void> {
    expect(answer).toMatchObject({ status: 200, contentType: 'application/json', code });
    expect(answer.effect).toBe('keeps its tokens');
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['errors']);
    expect(answer.errors).toHaveLength(1);
    expect(answer.errors[0]?.message).toMatch(/^[A-Zg].{20,}[.]$/);
    expect(await ledgerSize(issuer)).toBe(before);
  }

  async function revoke(id: string): Promise<void> {
    expect((await issuer.admin('POST', `licenses/${id}/revoke`)).status).toBe(200);
  }

  it.each(['', 'latest', '18', 'v18.5.0', '-ee', ' 18.5.0', '１８.5'])(
    'with GITLAB_VERSION_INVALID for the version "%s"',
    async (gitlabVersion) => {
      const { licenseKey } = await registerPaidLicense(issuer);
      const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
      const answer = await client.send({ query: QUERY, variables: { licenseKey, gitlabVersion } });
      await expectDenied(answer, 'GITLAB_VERSION_INVALID');
    },
  );

  it.each([ACTIVATION_CODE, `${ACTIVATION_CODE}\n`, ` ${ACTIVATION_CODE}\r\n`])(
    'with ACTIVATION_CODE_GIVEN for the activation code %j',
    async (code) => {
      await expectDenied(await sync(code), 'ACTIVATION_CODE_GIVEN');
    },
  );

  it.each([
    ['unknown', 'cci_license_that_nobody_registered'],
    ['empty', ''],
    ['blank', ' \r\n\t '],
    ['one letter short of an activation code', ACTIVATION_CODE.slice(1)],
    ['endless', 'k'.repeat(70 * 1024)],
    ['endless in another script', '鍵'.repeat(70 * 1024)],
    ['with a NUL', 'before\u0000behind, which no text column takes'],
    ['half a surrogate', '\ud800 is no character of its own'],
  ])('with LICENSE_NOT_FOUND for a key that is %s', async (_what, licenseKey) => {
    await expectDenied(await sync(licenseKey), 'LICENSE_NOT_FOUND');
  });

  it('with LICENSE_NOT_CLOUD for a legacy license', async () => {
    const { licenseKey } = await registerPaidLicense(issuer, { kind: 'legacy' });
    await expectDenied(await sync(licenseKey), 'LICENSE_NOT_CLOUD');
  });

  it('with LICENSE_REVOKED from the revocation on, until the license is reinstated', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(id);
    await expectDenied(await sync(licenseKey), 'LICENSE_REVOKED');
    await issuer.admin('POST', `licenses/${id}/reinstate`);
    expect((await sync(licenseKey)).effect).toBe('stores the token');
  });

  it('with LICENSE_NOT_STARTED up to the last instant before its first day in UTC', async () => {
    const { licenseKey } = await registerPaidLicense(issuer, { starts_on: '2026-04-01' });
    clock.set('2026-03-31T23:59:59.999Z');
    await expectDenied(await sync(licenseKey), 'LICENSE_NOT_STARTED');
    clock.set('2026-04-01T00:00:00Z');
    expect((await sync(licenseKey)).effect).toBe('stores the token');
  });

  it('with LICENSE_EXPIRED from the end of the fourteenth day of its grace', async () => {
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2026-06-01' });
    clock.set('2026-06-14T23:59:59.999Z');
    expect((await sync(licenseKey)).effect).toBe('stores the token');
    before += 1;
    clock.set('2026-06-15T00:00:00Z');
    await expectDenied(await sync(licenseKey), 'LICENSE_EXPIRED');
  });

  it.each([
    ['expired', { starts_on: '2025-01-01', expires_on: '2026-01-01' }, 'LICENSE_EXPIRED'],
    ['legacy', { kind: 'legacy' }, 'LICENSE_NOT_CLOUD'],
  ])('of a license that is %s says that another one renews it', async (_what, about, code) => {
    const old = await registerPaidLicense(issuer, about);
    const saysSo = /a newer license renews it from 2026-0\d-01 \(UTC\) on/;
    const message = async () => {
      const answer = await sync(old.licenseKey);
      await expectDenied(answer, code);
      return answer.errors[0]?.message;
    };
    expect(await message()).not.toMatch(saysSo);
    const coming = { starts_on: '2026-04-01', renews_license_id: old.id };
    const { id } = await registerLicense(issuer, coming);
    expect(await message()).toContain('renews it from 2026-04-01 (UTC) on');
    const started = { starts_on: '2026-02-01', renews_license_id: id };
    await registerLicense(issuer, started);
    expect(await message()).toContain('renews it from 2026-02-01 (UTC) on');
    await revoke(id);
    expect(await message()).toMatch(saysSo);
  });

  it.each([NOT_SET, 'null', INSTANCE_ID.slice(1), `${INSTANCE_ID}0`, `{${INSTANCE_ID}}`])(
    'with INSTANCE_ID_INVALID for the instance id %s',
    async (instanceId) => {
      const { licenseKey } = await registerPaidLicense(issuer);
      await expectDenied(await sync(licenseKey, instanceId), 'INSTANCE_ID_INVALID');
    },
  );

  it('with INSTANCE_ID_INVALID even when the license has an instance', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    await sync(licenseKey);
    before += 1;
    await expectDenied(await sync(licenseKey, NOT_SET), 'INSTANCE_ID_INVALID');
  });

  it('with INSTANCE_UNKNOWN when nothing names an instance', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    await expectDenied(await sync(licenseKey, null), 'INSTANCE_UNKNOWN');
  });

  it('for any selection, when the license is denied', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(id);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    await expectDenied(await client.sync(['catalog']), 'LICENSE_REVOKED');
    await expectDenied(await client.sync(['availableServices']), 'LICENSE_REVOKED');
  });

  it('as a whole: the catalog does not come beside a denied token', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: NOT_SET });
    await expectDenied(await client.sync(['catalog', 'serviceToken']), 'INSTANCE_ID_INVALID');
  });

  it('for the first of several reasons', async () => {
    const everything = { kind: 'legacy', starts_on: '2026-04-01', expires_on: '2026-05-01' };
    const legacy = await registerLicense(issuer, everything);
    await revoke(legacy.id);
    const future = await registerLicense(issuer, { ...everything, kind: 'online_cloud' });
    await revoke(future.id);
    const past = await registerLicense(issuer, {
      starts_on: '2025-01-01',
      expires_on: '2025-06-01',
    });
    const steps: [unknown, string][] = [
      [{ query: `${QUERY} }`, variables: { licenseKey: '', gitlabVersion: '' } }, 'BAD_REQUEST'],
      [variables(ACTIVATION_CODE, 'latest'), 'GITLAB_VERSION_INVALID'],
      [variables(legacy.licenseKey, 'latest'), 'GITLAB_VERSION_INVALID'],
      [variables(ACTIVATION_CODE), 'ACTIVATION_CODE_GIVEN'],
      [variables(`no-${legacy.licenseKey}`), 'LICENSE_NOT_FOUND'],
      [variables(legacy.licenseKey), 'LICENSE_NOT_CLOUD'],
      [variables(future.licenseKey), 'LICENSE_REVOKED'],
      [variables(past.licenseKey), 'LICENSE_EXPIRED'],
    ];
    // A denied instance id on top of each: it comes last.
    const client = new GitlabInstance(issuer.url, {
      licenseKey: randomUUID(),
      instanceId: NOT_SET,
    });
    for (const [body, code] of steps) await expectDenied(await client.send(body), code);

    await issuer.admin('POST', `licenses/${future.id}/reinstate`);
    await expectDenied(await client.send(variables(future.licenseKey)), 'LICENSE_NOT_STARTED');
  });

  it('in the same words for each generation of clients', async () => {
    for (const generation of Object.values(GENERATIONS)) {
      const identity = { licenseKey: 'nobody registered this key', instanceId: INSTANCE_ID };
      const answer = await new GitlabInstance(issuer.url, identity, generation).sync();
      await expectDenied(answer, 'LICENSE_NOT_FOUND');
    }
  });
});

describe('an unusable request', () => {
  let client: GitlabInstance;
  let variables: { readonly licenseKey: string; readonly gitlabVersion?: string };

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const { licenseKey } = await registerPaidLicense(issuer);
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    variables = client.variables();
    // Several times, so that the compiled form of the document is used below.
    for (let n = 0; n < 3; n += 1) await client.send({ query: QUERY, variables });
  });

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
    ['a query that is not a string', { query: { [SECRET]: 1 } }],
    ['a query that is null', { query: null }],
    ['only a digest of a query', { extensions: { persistedQuery: { sha256Hash: SECRET } } }],
    ['variables in an array', { query: QUERY, variables: [SECRET] }],
    ['variables in a string', { query: QUERY, variables: `{"licenseKey":"${SECRET}"}` }],
    [
      'an operation name that is not a name',
      { query: QUERY, variables: {}, operationName: [SECRET] },
    ],
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
    ['leaves the key out', `{ cloudConnectorAccess(gitlabVersion: "${SECRET}") { catalog } }`],
    ['is a mutation', `mutation { ${SECRET} }`],
    ['is a subscription', `subscription { ${SECRET} }`],
    ['is a schema', `type ${SECRET} { a: String }`],
  ])('whose document %s is a BAD_REQUEST', async (_what, query) => {
    await expectRefused(client.send({ query, variables }));
  });

  const UNFIT: readonly [string, string, object, string][] = [
    ['no key', '{ cloudConnectorAccess { catalog } }', {}, 'cloudConnectorAccess, licenseKey'],
    ['a field that nobody knows', sync('licenseKey: "k"', 'newThing'), {}, 'newThing'],
    ['an argument that nobody knows', sync('licenseKey: "k", fleet: 1'), {}, 'fleet'],
    ['a version without quotes', sync('licenseKey: "k", gitlabVersion: 18.6'), {}, 'gitlabVersion'],
    ['a number as its key', QUERY, { licenseKey: 7, gitlabVersion: '18.6' }, 'licenseKey'],
    ['a null for its key', QUERY, { licenseKey: null, gitlabVersion: '18.6' }, 'licenseKey'],
    ['no variable for its key', QUERY, { gitlabVersion: '18.6' }, 'licenseKey'],
    ['a number as its version', QUERY, { licenseKey: SECRET, gitlabVersion: 7 }, 'gitlabVersion'],
    [
      'a field that the first clients of activation select',
      activation('activationCode: "c", instanceIdentifier: "i"', 'authenticationToken'),
      {},
      'authenticationToken',
    ],
    ['an activation without a code', activation('automated: true'), {}, 'activationCode'],
    [
      'an activation with a text for yes',
      activation(`activationCode: "c", instanceIdentifier: "i", automated: "${SECRET}"`),
      {},
      'automated',
    ],
  ];
  it.each(UNFIT)(
    'that has %s is refused by the name that does not fit',
    async (_what, query, given, name) => {
      await expectRefused(client.send({ query, variables: given }));
      const { errors } = await client.send({ query, variables: given });
      expect(errors[0]?.message).toContain(name);
    },
  );

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

  it('with a key in its URL is answered and logged without the key', async () => {
    const answer = await fetch(`${issuer.url}/graphql?licenseKey=${SECRET}`, { method: 'PUT' });
    expect(await answer.text()).not.toContain(SECRET);
    expect(issuer.logs.join('')).not.toContain(SECRET);
  });
});

describe('a sync is limited', () => {
  let client: GitlabInstance;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const { licenseKey } = await registerPaidLicense(issuer);
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });

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

  describe('to one cloudConnectorAccess in a request, however a second is written', () => {
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

    it('and one in a fragment counts as one', async () => {
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

    it('and one of each is allowed, as clients ask for them', async () => {
      const all = 'catalog availableServices { name bundledWith } serviceToken { token }';
      const { data, code } = await ask(`query ${VARIABLES} { ${ACCESS} { ${all} } }`);
      expect(code).toBeNull();
      expect(Object.keys(data ?? {})).toEqual(['catalog', 'availableServices', 'serviceToken']);
    });
  });

  it('to one use of a fragment: nested fragments could ask for millions of fields', async () => {
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

  it('in the length of its document, because documents are cached', async () => {
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

  it('to POST: a GET with a key in its URL gets nothing', async () => {
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

describe('the limit of failed look-ups', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let licenseKey: string;

  beforeAll(async () => {
    // The proxy is trusted, so that one test can come from several addresses.
    issuer = await startTestIssuer({ clock, environment: { TRUSTED_PROXIES: '127.0.0.1/32' } });
    ({ licenseKey } = await registerPaidLicense(issuer));
  });
  afterAll(() => issuer.stop());

  function sync(key: string, address: string): Promise<SyncAnswer> {
    const client = new GitlabInstance(issuer.url, { licenseKey: key, instanceId: INSTANCE_ID });
    const query =
      'query ($k: String!, $v: String!) { cloudConnectorAccess(licenseKey: $k, gitlabVersion: $v) { serviceToken { token expiresAt } } }';
    const body = { query, variables: { k: key, v: '18.6.0' } };
    return client.send(body, { 'x-forwarded-for': address });
  }

  /** A busy machine may shed a guess. It is not counted then, and is sent again. */
  async function guessOnce(key: string, address: string): Promise<string | null> {
    for (;;) {
      const { code } = await sync(key, address);
      if (code !== 'UNAVAILABLE') return code;
    }
  }
  /** All at once. The clock stands still, so their order does not matter. */
  async function guess(times: number, address: string): Promise<(string | null)[]> {
    return Promise.all(Array.from({ length: times }, (_, n) => guessOnce(`guess ${n}`, address)));
  }

  it('answers RATE_LIMITED as "try again", with the seconds to wait, and mints nothing', async () => {
    const before = await ledgerSize(issuer);
    expect(new Set(await guess(BURST, '198.51.100.1'))).toEqual(new Set(['LICENSE_NOT_FOUND']));
    const answer = await sync('one guess more', '198.51.100.1');
    expect(answer).toMatchObject({ status: 429, code: 'RATE_LIMITED', effect: 'asks again' });
    expect(answer.retryAfter).toMatch(/^[1-9]\d*$/);
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['errors']);
    expect(await ledgerSize(issuer)).toBe(before);
  });

  it('never limits a good key from the same address', async () => {
    await guess(BURST + 1, '198.51.100.2');
    for (let n = 0; n < BURST / 2; n += 1) {
      expect((await sync(licenseKey, '198.51.100.2')).effect).toBe('stores the token');
    }
    expect(await guess(1, '198.51.100.2')).toEqual(['RATE_LIMITED']);
  });

  it('does not count syncs that succeed, nor denials of a known license', async () => {
    const { licenseKey: legacy } = await registerLicense(issuer, { kind: 'legacy' });
    for (let n = 0; n < BURST + 1; n += 1) {
      expect((await sync(legacy, '198.51.100.3')).code).toBe('LICENSE_NOT_CLOUD');
    }
    expect(await guess(1, '198.51.100.3')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('counts activation codes and endless keys, too', async () => {
    await guess(BURST - 2, '198.51.100.4');
    expect((await sync('Ab3dEf6hIj9kLm2nOp5qRs8t', '198.51.100.4')).code).toBe(
      'ACTIVATION_CODE_GIVEN',
    );
    expect((await sync('k'.repeat(70_000), '198.51.100.4')).code).toBe('LICENSE_NOT_FOUND');
    expect((await sync('Ab3dEf6hIj9kLm2nOp5qRs8t', '198.51.100.4')).code).toBe('RATE_LIMITED');
  });

  it('applies to each address by itself', async () => {
    await guess(BURST + 1, '198.51.100.5');
    expect(await guess(1, '198.51.100.6')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('counts a /64 of IPv6 as one address', async () => {
    await guess(BURST, '2001:db8:1:2::1');
    expect(await guess(1, '2001:db8:1:2:ffff::9')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '2001:db8:1:3::1')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('finds the /64 of an address that omits zeros', async () => {
    await guess(BURST, '2001:db8::1');
    expect(await guess(1, '2001:db8::2')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '2001:db8:0:0:0:0:0:3')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '2001:db8:0:1::4')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('tells IPv4 addresses apart also when the listener shows them as IPv6', async () => {
    await guess(BURST, '::ffff:198.51.100.8');
    expect(await guess(1, '::ffff:198.51.100.8')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '::ffff:198.51.100.9')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('forgets one failure per second, as Retry-After promises', async () => {
    await guess(BURST + 1, '198.51.100.7');
    const { retryAfter } = await sync('a guess', '198.51.100.7');
    clock.advance(Number(retryAfter) * 1000);
    expect(await guess(1, '198.51.100.7')).toEqual(['LICENSE_NOT_FOUND']);
    expect(await guess(1, '198.51.100.7')).toEqual(['RATE_LIMITED']);
  });
});

describe('a token that is too large for a header', () => {
  let issuer: TestIssuer;
  let client: GitlabInstance;

  beforeAll(async () => {
    issuer = await startTestIssuer({
      clock: new FakeClock(new Date('2026-03-10T12:00:00Z')),
      environment: { CATALOG_DIR: catalogFolder(TOO_MANY) },
    });
    const { licenseKey } = await registerLicense(issuer);
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });
  afterAll(async () => {
    await issuer.stop();
    removeCatalogFolders();
  });

  it('is neither signed nor recorded, and the instance keeps the tokens that it has', async () => {
    const answer = await client.sync();
    expect(answer).toMatchObject({ code: 'INTERNAL', effect: 'keeps its tokens' });
    expect(answer.text).not.toContain('"ey');
    await expect(ledgerSize(issuer)).resolves.toBe(0);
    await expect(select(issuer, 'SELECT FROM ledger_batches')).resolves.toEqual([]);
  });

  it('is logged with its faults, and counted', async () => {
    const logged = issuer.logs.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(logged.filter(({ faults }) => faults !== undefined)).toEqual([
      expect.objectContaining({
        level: 'error',
        msg: 'claims with faults were not signed',
        faults: [expect.stringMatching(/^the payload has \d+ bytes, more than 5632$/)],
      }),
    ]);
    const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
    expect(metrics).toContain('\nissuer_lint_refusals_total 1\n');
  });
});

describe('the GraphQL schema', () => {
  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  async function ask(query: string): Promise<unknown> {
    const response = await fetch(`${issuer.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return ((await response.json()) as { data: unknown }).data;
  }

  it('is exactly the one that instances know', async () => {
    const { __schema } = (await ask('{ __schema { queryType { name } types { name } } }')) as {
      __schema: SchemaJson;
    };
    expect(__schema.queryType.name).toBe('Query');
    const names = __schema.types.map(({ name }) => name);
    const own = names.filter((name) => !/^__|^(String|Boolean|Int|Float|ID)$/.test(name));
    expect(await Promise.all(own.sort().map(sdlOf))).toEqual([...SDL].sort(byName));
  });

  async function sdlOf(typeName: string): Promise<string> {
    const answer = await ask(`{ __type(name: "${typeName}") { kind name fields { name
      args { name type { kind name ofType { kind name } } }
      type { kind name ofType { kind name ofType { kind name } } } }
      inputFields { name type { kind name ofType { kind name } } } } }`);
    const { kind, name, fields, inputFields } = (answer as { __type: NamedTypeJson }).__type;
    if (inputFields) return `input ${name} { ${inputFields.map(fieldOf).join('  ')} }`;
    return fields
      ? `type ${name} { ${fields.map(fieldOf).join('  ')} }`
      : `${kind.toLowerCase()} ${name}`;
  }
});

/** Instances after the key of their license was replaced. */
describe('a replaced license key', () => {
  beforeAll(() => {
    clock.set('2026-03-10T03:30:00Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T03:30:00Z');
  });

  async function seatLink(license_key: string, instance_id = randomUUID()) {
    const response = await fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ license_key, instance_id, billable_users_count: 3 }),
    });
    const json = (await response.json()) as { license?: string; errors?: string[] };
    return { status: response.status, license: json.license };
  }
  async function replaceKey(id: string, body?: object): Promise<string> {
    const response = await issuer.admin('POST', `licenses/${id}/replace_key`, body);
    return ((await response.json()) as { license_key: string }).license_key;
  }

  it('is replaced on the instance by the next seat link', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const instanceId = randomUUID();
    await new GitlabInstance(issuer.url, { licenseKey, instanceId }).serviceToken();
    const replaced = await replaceKey(id);

    const { status, license } = await seatLink(licenseKey, instanceId);
    expect({ status, license }).toEqual({ status: 200, license: replaced });
    clock.advance(WEEK);
    const holder = new GitlabInstance(issuer.url, { licenseKey: replaced, instanceId });
    expect((await holder.sync()).effect).toBe('stores the token');
    expect(await seatLink(replaced, instanceId)).toEqual({ status: 200, license: replaced });
  });

  it('is unknown to seat links too once its grace is over', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await replaceKey(id);
    clock.advance(WEEK - 1);
    expect((await seatLink(licenseKey)).status).toBe(200);
    clock.advance(1);
    expect(await seatLink(licenseKey)).toEqual({ status: 422, license: undefined });
  });

  it('is the same license in its grace: its purchases, its instance, its revoked tokens', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const replaced = await replaceKey(id);
    const identity = { instanceId: randomUUID() };
    const [old, fresh] = [licenseKey, replaced].map(
      (key) => new GitlabInstance(issuer.url, { licenseKey: key, ...identity }),
    );
    expect((await old?.sync())?.effect).toBe('stores the token');
    expect((await fresh?.sync())?.effect).toBe('stores the token');
    const list = await issuer.admin('GET', `instances?license_id=${id}`);
    expect(((await list.json()) as { items: unknown[] }).items).toHaveLength(1);
    await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`, { reason: 'stolen' });
    expect((await old?.sync())?.effect).toBe('deletes its tokens');
  });

  it('is handed out by an activation at once', async () => {
    const { id } = await registerLicense(issuer);
    const { code } = await makeActivationCode(issuer, id);
    const replaced = await replaceKey(id);
    const { payload } = await activate(issuer, code, randomUUID());
    expect(payload?.licenseKey).toBe(replaced);
  });

  describe('and the cancellation key', () => {
    it('differ: a previous key in its grace cannot be a cancellation key', async () => {
      const { id, licenseKey } = await registerLicense(issuer);
      await replaceKey(id);
      const put = () =>
        issuer.admin('PUT', `licenses/${id}/cancellation_key`, { license_key: licenseKey });
      await expectProblem(await put(), 422, 'VALIDATION_FAILED', ['#/license_key']);
    });

    it('differ: a cancellation key that becomes the key of the license announces nothing', async () => {
      const { id, licenseKey } = await registerLicense(issuer);
      const cancelled = `from a cancellation ${randomUUID()}`;
      await issuer.admin('PUT', `licenses/${id}/cancellation_key`, { license_key: cancelled });
      await replaceKey(id, { license_key: cancelled });
      await issuer.admin('POST', `licenses/${id}/revoke`);
      expect((await seatLink(licenseKey)).status).toBe(422);
    });
  });
});

interface Claims {
  readonly iss: string;
  readonly aud: readonly string[];
  readonly sub: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly gitlab_realm: string;
  readonly gitlab_instance_uid: string;
  readonly scopes: readonly string[];
}

type Item = Readonly<Record<string, unknown>>;

type CatalogJson = Readonly<Record<(typeof LISTS)[number], readonly Item[]>>;

interface UnitPrimitiveFile extends Item {
  readonly name: string;
  readonly cut_off_date: string | null;
  readonly add_ons?: readonly string[];
}

interface ServiceFile extends Item {
  readonly name: string;
  readonly basic_unit_primitive?: string;
  readonly gitlab_realm?: readonly string[];
  readonly unit_primitives: readonly string[];
}

function service(
  name: string,
  cutOffDate: string | null,
  addOns: readonly string[],
): AvailableServiceJson {
  return {
    name,
    serviceStartTime: cutOffDate === null ? null : new Date(cutOffDate).toISOString(),
    bundledWith: addOns.length === 0 ? null : [...new Set(addOns)].sort(),
  };
}

function sortedLists(items: readonly Item[]): Item[] {
  return items.map((item) =>
    Object.fromEntries(
      Object.entries(item).map(([key, value]) => [
        key,
        Array.isArray(value) ? (value as string[]).slice().sort() : value,
      ]),
    ),
  );
}

function variables(licenseKey: string, gitlabVersion = '18.6.0') {
  return { query: QUERY, variables: { licenseKey, gitlabVersion } };
}

function sync(args: string, selection = 'catalog'): string {
  return `{ cloudConnectorAccess(${args}) { ${selection} } }`;
}

function activation(input: string, selection = 'licenseKey'): string {
  return `mutation { cloudActivationActivate(input: { ${input} }) { ${selection} } }`;
}

function aliases(field: string, times: number): string {
  return Array.from({ length: times }, (_, n) => `a${n}: ${field}`).join(' ');
}

interface TypeJson {
  readonly kind: string;
  readonly name: string | null;
  readonly ofType?: TypeJson | null;
}

interface FieldJson {
  readonly name: string;
  readonly type: TypeJson;
  readonly args?: readonly FieldJson[];
}

interface NamedTypeJson {
  readonly kind: string;
  readonly name: string;
  readonly fields: readonly FieldJson[] | null;
  readonly inputFields: readonly FieldJson[] | null;
}

interface SchemaJson {
  readonly queryType: { readonly name: string };
  readonly types: readonly { readonly name: string }[];
}

function byName(one: string, other: string): number {
  const nameOf = (line: string) => line.split(' ')[1] ?? '';
  return nameOf(one) < nameOf(other) ? -1 : 1;
}

function fieldOf({ name, type, args = [] }: FieldJson): string {
  const inside = args.map(fieldOf).join(', ');
  return `${name}${inside ? `(${inside})` : ''}: ${typeOf(type)}`;
}

function typeOf({ kind, name, ofType }: TypeJson): string {
  if (kind === 'NON_NULL' && ofType) return `${typeOf(ofType)}!`;
  if (kind === 'LIST' && ofType) return `[${typeOf(ofType)}]`;
  return String(name);
}
