import { randomUUID } from 'node:crypto';
import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { licenseBody, recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GENERATIONS, GitlabInstance } from '../support/gitlab-instance.js';
import { instanceOf, listInstances, THREE_SCOPES } from '../support/instance-health.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const NOON = '2026-03-10T12:00:00.000Z';
const DUE = '2026-03-11T13:00:00.000Z';
const EXPIRES = '2026-03-13T12:00:00.000Z';
const ALL = ['ask_epic', 'free_tool', 'ultimate_tool'];

describe('an instance in the admin API', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;

  beforeAll(async () => {
    const environment = { CATALOG_DIR: catalogFolder(THREE_SCOPES) };
    issuer = await startTestIssuer({ clock, environment });
  });
  beforeEach(() => {
    clock.set(NOON);
  });
  afterAll(async () => {
    await issuer.stop();
    removeCatalogFolders();
  });

  /** A license with one purchase, and its instance, which syncs at noon. */
  async function synced(about: Readonly<Record<string, unknown>> = {}, bought = {}) {
    const license = await registerLicense(issuer, about);
    const purchase = await recordPurchase(issuer, license.id, { add_on: 'duo_pro', ...bought });
    const { licenseKey } = license;
    const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    await instance.serviceToken();
    return { license, purchase, instance, read: () => instanceOf(issuer, license.id) };
  }

  it('that has just synced holds the right token, and is to be renewed in time', async () => {
    const { read } = await synced();
    const instance = await read();
    expect(instance).toMatchObject({
      last_sync_at: NOON,
      state: 'ok',
      denial: null,
      next_sync_due_at: DUE,
      loses_service_at: '2027-01-15T00:00:00.000Z',
      token: { expires_at: EXPIRES, revoked_at: null, excess_scopes: [], missing_scopes: [] },
      live_tokens: 1,
      live_tokens_with_excess_scopes: 0,
      excess_scopes: [],
      excess_scopes_until: null,
    });
    const response = await issuer.admin('GET', `instances/${instance.id}`);
    expect(await response.json()).toEqual(instance);
  });

  it('of a license that never ends loses its service at the last instant that can be written', async () => {
    const forEver = { starts_on: '0001-01-01', expires_on: '9999-12-31' };
    const bought = { started_at: forEver.starts_on, expires_on: forEver.expires_on };
    const { license, purchase, read } = await synced(forEver, bought);
    expect(await read()).toMatchObject({ loses_service_at: '9999-12-31T23:59:59.000Z' });
    expect([license, purchase]).toMatchObject([forEver, bought]);
    for (const at of ['0001-01-01', '9999-12-31T23:59:59.999Z']) {
      const path = `licenses/${license.id}/entitlements?at=${at}`;
      const answer = (await (await issuer.admin('GET', path)).json()) as { at: string };
      expect(new Date(answer.at)).toEqual(new Date(at));
    }
    const codes = `licenses/${license.id}/activation_codes`;
    const expiry = { expires_at: '9999-12-31T23:59:59.999Z' };
    expect(await (await issuer.admin('POST', codes, expiry)).json()).toMatchObject(expiry);
  });

  it.each([
    ...['10000-01-01', '+010000-01-01', '0000-12-31', '-0001-01-01', 'infinity', '0001-01-01 BC'],
    ...['2026-02-29', '2026-1-1', '20260101', '2026-01-01T00:00:00Z', '2026-W01-1', '1767225600'],
  ])('has a license that ends on no day but one that can be written, not on %j', async (day) => {
    const body = licenseBody({ starts_on: '2025-01-01', expires_on: day });
    const answer = await issuer.admin('POST', 'licenses', body);
    await expectProblem(answer, 422, 'VALIDATION_FAILED', ['#/expires_on']);
  });

  it.each([
    ...['10000-01-01T00:00:00Z', '9999-12-31T23:59:59-00:01', '9999-12-31T24:00:00Z', 'infinity'],
    ...['2027-06-30T23:59:60Z', '2027-01-01T00:00:00+24:00', 1798761600],
  ])('has a license with activation codes that end at no instant like %j', async (expires_at) => {
    const { id } = await registerLicense(issuer);
    const path = `licenses/${id}/activation_codes`;
    const answer = await issuer.admin('POST', path, { expires_at });
    await expectProblem(answer, 422, 'VALIDATION_FAILED', ['#/expires_at']);
  });

  it('says too much from the day on which a purchase is over', async () => {
    const { read } = await synced({}, { expires_on: '2026-03-11' });
    clock.set('2026-03-10T23:59:59.999Z');
    expect(await read()).toMatchObject({ excess_scopes: [] });
    clock.set('2026-03-11T00:00:00.000Z');
    expect(await read()).toMatchObject({
      state: 'ok',
      token: { excess_scopes: ['ask_epic'], missing_scopes: [] },
      live_tokens_with_excess_scopes: 1,
      excess_scopes_until: EXPIRES,
    });
  });

  it('gets the right token at its next sync, and the old one counts until it expires', async () => {
    const { purchase, instance, read } = await synced();
    expect((await issuer.admin('DELETE', `add_on_purchases/${purchase.id}`)).status).toBe(200);
    expect(await read()).toMatchObject({ token: { excess_scopes: ['ask_epic'] }, live_tokens: 1 });

    clock.set(DUE);
    await instance.serviceToken();
    expect(await read()).toMatchObject({
      token: { expires_at: '2026-03-14T13:00:00.000Z', excess_scopes: [] },
      live_tokens: 2,
      live_tokens_with_excess_scopes: 1,
      excess_scopes: ['ask_epic'],
      excess_scopes_until: EXPIRES,
    });
    clock.set('2026-03-13T11:59:59.999Z');
    expect(await read()).toMatchObject({ live_tokens_with_excess_scopes: 1 });
    clock.set(EXPIRES);
    expect(await read()).toMatchObject({
      live_tokens: 1,
      live_tokens_with_excess_scopes: 0,
      excess_scopes_until: null,
    });
  });

  it('lacks what was bought since its last sync', async () => {
    const { read } = await synced({}, { started_at: '2026-03-11' });
    expect(await read()).toMatchObject({ token: { missing_scopes: [] } });
    clock.set('2026-03-11T00:00:00.000Z');
    expect(await read()).toMatchObject({
      token: { excess_scopes: [], missing_scopes: ['ask_epic'] },
      live_tokens_with_excess_scopes: 0,
    });
  });

  it('says too much when its license changes to a lesser plan', async () => {
    const { license, read } = await synced();
    await issuer.admin('PATCH', `licenses/${license.id}`, { plan: 'premium' });
    expect(await read()).toMatchObject({ token: { excess_scopes: ['ultimate_tool'] } });
    await issuer.admin('PATCH', `licenses/${license.id}`, { plan: 'ultimate' });
    expect(await read()).toMatchObject({ token: { excess_scopes: [] } });
  });

  it('of a revoked license is denied, and loses service when its token expires', async () => {
    const { license, read } = await synced();
    await issuer.admin('POST', `licenses/${license.id}/revoke`);
    const denied = { state: 'denied', denial: 'LICENSE_REVOKED', loses_service_at: EXPIRES };
    expect(await read()).toMatchObject({ ...denied, excess_scopes: ALL });
    clock.set(EXPIRES);
    expect(await read()).toMatchObject({ ...denied, token: null, excess_scopes: [] });
  });

  it('whose tokens are revoked loses service at its next sync, and not after they are restored', async () => {
    const { license, read } = await synced();
    const { id } = await read();
    for (const owner of [`licenses/${license.id}`, `instances/${id}`]) {
      await issuer.admin('POST', `${owner}/service_tokens/revoke`);
      const revoked = { state: 'denied', denial: 'TOKENS_REVOKED', loses_service_at: DUE };
      expect(await read()).toMatchObject({ ...revoked, excess_scopes: ALL });
      await issuer.admin('POST', `${owner}/service_tokens/restore`);
      expect(await read()).toMatchObject({ state: 'ok', denial: null, excess_scopes: [] });
    }
  });

  it('one of whose tokens is revoked keeps what it has, and says so', async () => {
    const { read } = await synced();
    const jti = (await read()).token?.jti ?? '';
    await issuer.admin('POST', `service_tokens/${jti}/revoke`);
    expect(await read()).toMatchObject({ state: 'ok', token: { jti, revoked_at: NOON } });
  });

  it('of an expired license loses service when the grace is over, to which its token is cut', async () => {
    const { read } = await synced({ expires_on: '2026-02-26' });
    const ends = { loses_service_at: '2026-03-12T00:00:00.000Z' };
    expect(await read()).toMatchObject({
      state: 'ok',
      ...ends,
      next_sync_due_at: '2026-03-10T13:00:00.000Z',
    });
    clock.set('2026-03-11T23:59:59.999Z');
    expect(await read()).toMatchObject({ state: 'sync_overdue', denial: null, ...ends });
    clock.set('2026-03-12T00:00:00.000Z');
    expect(await read()).toMatchObject({ state: 'denied', denial: 'LICENSE_EXPIRED', ...ends });
  });

  it('that stays silent is overdue an hour after its sync was due, until it syncs', async () => {
    const { instance, read } = await synced();
    clock.set('2026-03-11T13:59:59.999Z');
    expect(await read()).toMatchObject({ state: 'ok' });
    clock.set('2026-03-11T14:00:00.000Z');
    expect(await read()).toMatchObject({ state: 'sync_overdue', loses_service_at: EXPIRES });
    await instance.serviceToken();
    expect(await read()).toMatchObject({ state: 'ok' });
  });

  it('that has lost its last token says since when', async () => {
    const { read } = await synced();
    clock.set(EXPIRES);
    const lost = { state: 'no_token', token: null, live_tokens: 0, loses_service_at: EXPIRES };
    expect(await read()).toMatchObject(lost);
  });

  it('with an older GitLab is due the next morning', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const identity = { licenseKey, instanceId: randomUUID() };
    await new GitlabInstance(issuer.url, identity, GENERATIONS['GitLab 17.5']).serviceToken();
    expect(await instanceOf(issuer, id)).toMatchObject({
      next_sync_due_at: '2026-03-11T07:00:00.000Z',
    });
  });

  it('is listed with others of a page, each with its own license', async () => {
    const [first, second] = [await synced(), await synced({ plan: 'premium' })];
    await issuer.admin('PATCH', `licenses/${first.license.id}`, { plan: 'premium' });
    const page = await listInstances(issuer, 'per_page=100');
    const tooMuch = (licenseId: string) =>
      page.find(({ license_id }) => license_id === licenseId)?.excess_scopes;
    expect(tooMuch(first.license.id)).toEqual(['ultimate_tool']);
    expect(tooMuch(second.license.id)).toEqual([]);
    expect(page.length).toBeGreaterThan(2);
  });
});
