import { decodeJwt } from 'jose';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, NEWEST, type SyncAnswer } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize, select } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const PAID = "cut_off_date: '2024-01-01T00:00:00Z'\n";

/** A catalog in which nothing is free after 2026-04-01 12:00. */
const CATALOG = {
  'unit_primitives/ask_epic.yml': `name: ask_epic\ndescription: Asks\n${PAID}backend_services: [gateway]\nadd_ons: [duo_pro]\n`,
  'unit_primitives/gated.yml': `name: gated\ndescription: From 17.10 on\n${PAID}min_gitlab_version: '17.10'\nbackend_services: [gateway]\nadd_ons: [duo_enterprise]\n`,
  'unit_primitives/beta.yml':
    "name: beta\ndescription: Free for a while\ncut_off_date: '2026-04-01T12:00:00Z'\nmin_gitlab_version_for_free_access: '18.0'\nbackend_services: [other]\nadd_ons: [duo_enterprise]\n",
  'unit_primitives/silent.yml': 'name: silent\ndescription: Has no backend\nadd_ons: [duo_core]\n',
  'unit_primitives/best.yml': `name: best\ndescription: For Ultimate\n${PAID}license_types: [ultimate]\nbackend_services: [gateway]\nadd_ons: [duo_core]\n`,
  'backend_services/other.yml': 'name: other\njwt_aud: gitlab-other\n',
  'add_ons/duo_core.yml': 'name: duo_core\n',
  'add_ons/duo_enterprise.yml': 'name: duo_enterprise\n',
  'license_types/premium.yml': 'name: premium\n',
};

describe('what a sync grants', () => {
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

  it('is not looked at where the tokens of the license are revoked', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`);
    expect(await sync(licenseKey)).toMatchObject({ errors: [], effect: 'deletes its tokens' });
  });

  it('is looked at last: whom it cannot name it denies before', async () => {
    const { licenseKey } = await registerLicense(issuer);
    const unnamed = new GitlabInstance(issuer.url, { licenseKey });
    expect((await unnamed.sync()).code).toBe('INSTANCE_UNKNOWN');
    const invalid = new GitlabInstance(issuer.url, { licenseKey, instanceId: 'not set' });
    expect((await invalid.sync()).code).toBe('INSTANCE_ID_INVALID');
    expect((await sync(licenseKey)).code).toBe('NOTHING_TO_GRANT');
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

  it('needs the version that a primitive asks for, compared by its numbers', async () => {
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

  it('is free up to the instant of the cut-off and sold from then on', async () => {
    const { licenseKey } = await registerLicense(issuer);
    clock.set('2026-04-01T11:59:59.999Z');
    expect(await granted(licenseKey)).toEqual({ scopes: ['beta'], aud: ['gitlab-other'] });
    expect(await granted(licenseKey, '18.0.0-ee')).toMatchObject({ scopes: ['beta'] });
    expect(await granted(licenseKey, '17.11.9')).toBe('NOTHING_TO_GRANT');
    clock.set('2026-04-01T12:00:00Z');
    expect(await granted(licenseKey)).toBe('NOTHING_TO_GRANT');
  });

  it('runs from the first day of a purchase to the last before it ends, in UTC', async () => {
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

  it('takes a purchase without a start for one that has started', async () => {
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

  it('keeps to the plans that a primitive lists', async () => {
    const ultimate = await registerLicense(issuer);
    const premium = await registerLicense(issuer, { plan: 'premium' });
    for (const { id } of [ultimate, premium])
      await recordPurchase(issuer, id, { add_on: 'duo_core' });
    // `silent` is free and is never among them: without a backend it has no audience.
    expect(await granted(ultimate.licenseKey)).toMatchObject({ scopes: ['best'] });
    expect(await granted(premium.licenseKey)).toBe('NOTHING_TO_GRANT');
  });

  it('takes the purchases of one license for that license only', async () => {
    const paid = await registerLicense(issuer);
    await recordPurchase(issuer, paid.id, { add_on: 'duo_pro' });
    const unpaid = await registerLicense(issuer);
    expect(await granted(unpaid.licenseKey)).toBe('NOTHING_TO_GRANT');
  });
});
