import { decodeJwt } from 'jose';
import { FakeClock } from '../support/fake-clock.js';
import { registerPaidLicense } from '../support/builders.js';
import {
  GENERATIONS,
  type Generation,
  GitlabInstance,
  NEWEST,
  type SyncField,
  syncQuery,
} from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

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

describe('token sync', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let licenseKey: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    ({ licenseKey } = await registerPaidLicense(issuer));
    await new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID }).serviceToken();
  });
  afterAll(() => issuer.stop());

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

  it('lets the variable win over the header where both name a version', async () => {
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

  it('takes two keys that differ only inside for two keys', async () => {
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
