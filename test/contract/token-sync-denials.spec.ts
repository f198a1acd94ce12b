import { randomUUID } from 'node:crypto';
import { registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  GENERATIONS,
  GitlabInstance,
  type SyncAnswer,
  syncQuery,
} from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const NOT_SET = 'GITLAB_INSTANCE_UUID_NOT_SET';
const QUERY = syncQuery('serviceToken { token expiresAt }', { namesOperation: true });
const ACTIVATION_CODE = 'Ab3dEf6hIj9kLm2nOp5qRs8t';

describe('a sync is denied', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let before: number;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    before = await ledgerSize(issuer);
  });
  afterAll(() => issuer.stop());

  function sync(licenseKey: string, instanceId: string | null = INSTANCE_ID): Promise<SyncAnswer> {
    return new GitlabInstance(issuer.url, { licenseKey, instanceId }).sync();
  }

  /** The one form of a denial: stored tokens stay, nothing was minted, and the admin is told why. */
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

  it.each([NOT_SET, 'null', INSTANCE_ID.slice(1), `${INSTANCE_ID}0`, `{${INSTANCE_ID}}`])(
    'with INSTANCE_ID_INVALID for the instance id %s',
    async (instanceId) => {
      const { licenseKey } = await registerPaidLicense(issuer);
      await expectDenied(await sync(licenseKey, instanceId), 'INSTANCE_ID_INVALID');
    },
  );

  it('with INSTANCE_ID_INVALID even where the license knows an instance', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    await sync(licenseKey);
    before += 1;
    await expectDenied(await sync(licenseKey, NOT_SET), 'INSTANCE_ID_INVALID');
  });

  it('with INSTANCE_UNKNOWN when nothing names an instance', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    await expectDenied(await sync(licenseKey, null), 'INSTANCE_UNKNOWN');
  });

  it('whatever was selected, for a license that gets nothing', async () => {
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

  it('for the first reason in order where there are several', async () => {
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

function variables(licenseKey: string, gitlabVersion = '18.6.0') {
  return { query: QUERY, variables: { licenseKey, gitlabVersion } };
}
