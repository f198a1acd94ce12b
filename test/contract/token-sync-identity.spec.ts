import { decodeJwt } from 'jose';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GENERATIONS, GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerRows, select } from './ledger.js';

const ONE = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const OTHER = '11111111-2222-4333-8444-555555555555';

describe('the instance that a token names', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let licenseKey: string;
  let licenseId: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    clock.advance(60_000);
    ({ licenseKey, id: licenseId } = await registerPaidLicense(issuer));
  });
  afterAll(() => issuer.stop());

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

  it('keeps the case in which the instance writes itself, byte for byte', async () => {
    const mixed = '8D1C1F3E-2b7a-4C0E-9f53-6A1B2C3D4E5F';
    expect((await claimsOf(named(mixed))).sub).toBe(mixed);
    clock.advance(1000);
    expect((await claimsOf(unnamed())).sub).toBe(mixed);
  });

  it('takes any version of UUID, as instances have them', async () => {
    const nil = '00000000-0000-0000-0000-000000000000';
    expect((await claimsOf(named(nil))).sub).toBe(nil);
  });

  it('is, without a header, the instance that synced last with the license', async () => {
    await named(ONE).serviceToken();
    clock.advance(1000);
    await named(OTHER).serviceToken();
    clock.advance(1000);
    expect((await claimsOf(unnamed())).sub).toBe(OTHER);

    clock.advance(1000);
    await named(ONE).serviceToken();
    clock.advance(1000);
    expect((await claimsOf(unnamed())).sub).toBe(ONE);
  });

  it('is never an instance of another license', async () => {
    await named(ONE).serviceToken();
    const another = await registerPaidLicense(issuer);
    const stranger = new GitlabInstance(issuer.url, another, GENERATIONS['the documented script']);
    expect((await stranger.sync()).code).toBe('INSTANCE_UNKNOWN');
  });

  it('has an empty header counted as none', async () => {
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

  it('has a uid of our own that never changes, for each instance another', async () => {
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

  it('gets one row and one uid when its first syncs come all at once', async () => {
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
          instance_id: ONE,
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
