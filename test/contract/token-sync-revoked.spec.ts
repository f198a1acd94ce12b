import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  GENERATIONS,
  type Generation,
  GitlabInstance,
  NEWEST,
} from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize, select } from './ledger.js';

const NULL_ANSWER = { data: { cloudConnectorAccess: { serviceToken: null } } };
const [ONE, OTHER] = [randomUUID(), randomUUID()];

describe('a sync whose tokens are revoked', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  afterAll(() => issuer.stop());

  const instance = (
    licenseKey: string,
    instanceId: string | null = ONE,
    generation: Generation = NEWEST,
  ) => new GitlabInstance(issuer.url, { licenseKey, instanceId }, generation);

  async function order(path: string): Promise<void> {
    const answer = await issuer.admin('POST', path);
    expect(answer.status).toBe(200);
  }
  const revoke = (owner: string) => order(`${owner}/service_tokens/revoke`);
  const restore = (owner: string) => order(`${owner}/service_tokens/restore`);

  /** The row of the instance, as the admin API names it. */
  async function known(licenseId: string, instanceId: string): Promise<string> {
    const [row] = await select<{ id: string }>(
      issuer,
      'SELECT id FROM instances WHERE license_id = $1 AND instance_id = $2',
      [licenseId, instanceId],
    );
    return `instances/${row?.id ?? ''}`;
  }

  async function expectNull(client: GitlabInstance): Promise<void> {
    const before = await ledgerSize(issuer);
    const answer = await client.sync(['serviceToken']);
    expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
    expect(JSON.parse(answer.text)).toEqual(NULL_ANSWER);
    expect(answer.effect).toBe('deletes its tokens');
    expect(await ledgerSize(issuer)).toBe(before);
  }

  it('gets the deliberate null, time and again, until its license is restored', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const client = instance(licenseKey);
    await client.serviceToken();
    await revoke(`licenses/${id}`);
    for (const minutes of [0, 60, 60 * 24 * 30]) {
      clock.advance(minutes * 60_000);
      await expectNull(client);
      await expectNull(instance(licenseKey, OTHER));
    }
    await restore(`licenses/${id}`);
    await client.serviceToken();
  });

  it('gets everything else that it selected as usual', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const fields = ['serviceToken', 'availableServices', 'catalog'] as const;
    const usual = await instance(licenseKey).sync(fields);
    await revoke(`licenses/${id}`);
    const { data, errors } = await instance(licenseKey).sync(fields);
    expect(errors).toEqual([]);
    expect(data).toEqual({ ...usual.data, serviceToken: null });
    expect((await instance(licenseKey).sync(['catalog'])).data).toEqual({
      catalog: usual.data?.catalog,
    });
  });

  it('gets the null in each generation of clients', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await instance(licenseKey).serviceToken();
    await revoke(`licenses/${id}`);
    for (const generation of Object.values(GENERATIONS)) {
      await expectNull(instance(licenseKey, ONE, generation));
    }
  });

  it.each([
    ['LICENSE_NOT_CLOUD', { kind: 'legacy' }, '2026-03-10T12:00:00Z'],
    ['LICENSE_NOT_STARTED', { starts_on: '2026-04-01' }, '2026-03-10T12:00:00Z'],
    ['LICENSE_EXPIRED', { expires_on: '2026-06-01' }, '2026-06-15T00:00:00Z'],
  ])('gets the null instead of %s', async (code, about, at) => {
    const { id, licenseKey } = await registerPaidLicense(issuer, about);
    clock.set(at);
    const client = instance(licenseKey);
    expect((await client.sync()).code).toBe(code);
    await revoke(`licenses/${id}`);
    await expectNull(client);
    await restore(`licenses/${id}`);
    expect((await client.sync()).code).toBe(code);
  });

  it('gets the null instead of LICENSE_REVOKED', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    await issuer.admin('POST', `licenses/${id}/revoke`);
    await expectNull(instance(licenseKey));
    await restore(`licenses/${id}`);
    expect((await instance(licenseKey).sync()).code).toBe('LICENSE_REVOKED');
  });

  it('gets the null for its license without saying which instance it is', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    await expectNull(instance(licenseKey, null));
    await expectNull(instance(licenseKey, 'GITLAB_INSTANCE_UUID_NOT_SET'));
  });

  it('is told what is wrong with a request that names no license', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    expect((await instance(`${licenseKey}x`).sync()).code).toBe('LICENSE_NOT_FOUND');
    const old = instance(licenseKey, ONE, { ...NEWEST, version: 'latest' });
    expect((await old.sync()).code).toBe('GITLAB_VERSION_INVALID');
    expect((await instance(licenseKey).send({ query: '{ no }' })).code).toBe('BAD_REQUEST');
  });

  it('for one instance leaves the others of its license alone', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await instance(licenseKey, ONE).serviceToken();
    await instance(licenseKey, OTHER).serviceToken();
    await revoke(await known(id, ONE));
    await expectNull(instance(licenseKey, ONE));
    await instance(licenseKey, OTHER).serviceToken();
    await instance(licenseKey, randomUUID()).serviceToken();
    await restore(await known(id, ONE));
    await instance(licenseKey, ONE).serviceToken();
  });

  it('for one instance, where none is named, is about the one last seen', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await instance(licenseKey, ONE).serviceToken();
    clock.advance(1000);
    await instance(licenseKey, OTHER).serviceToken();
    await revoke(await known(id, ONE));
    await instance(licenseKey, null).serviceToken();
    await revoke(await known(id, OTHER));
    await expectNull(instance(licenseKey, null));
    const unnamed = instance(licenseKey, 'GITLAB_INSTANCE_UUID_NOT_SET');
    expect((await unnamed.sync()).code).toBe('INSTANCE_ID_INVALID');
  });

  it('for one token is answered as usual', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { token } = await instance(licenseKey).serviceToken();
    await order(`service_tokens/${decodeJwt(token).jti ?? ''}/revoke`);
    await instance(licenseKey).serviceToken();
  });

  it.each([
    ['license', 'instance'],
    ['instance', 'license'],
  ] as const)(
    'gets the null while either stands, the %s being revoked first (Keycloak CVE-2026-8922)',
    async (first, second) => {
      const { id, licenseKey } = await registerPaidLicense(issuer);
      const client = instance(licenseKey);
      await client.serviceToken();
      const owners = { license: `licenses/${id}`, instance: await known(id, ONE) };
      await revoke(owners[first]);
      await expectNull(client);
      await revoke(owners[second]);
      await expectNull(client);
      for (const lifted of [first, second]) {
        const left = lifted === first ? second : first;
        await restore(owners[lifted]);
        await expectNull(client);
        await revoke(owners[lifted]);
        await restore(owners[left]);
        await expectNull(client);
        await revoke(owners[left]);
      }
      await restore(owners[first]);
      await restore(owners[second]);
      await client.serviceToken();
    },
  );

  it('is counted as what it is', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await revoke(`licenses/${id}`);
    const revokedSyncs = async () => {
      const text = await (await fetch(`${issuer.url}/-/metrics`)).text();
      return Number(/^issuer_syncs_total\{outcome="revoked",code=""\} (\d+)/m.exec(text)?.[1]);
    };
    const before = await revokedSyncs();
    await instance(licenseKey).sync();
    expect(await revokedSyncs()).toBe(before + 1);
  });
});
