import { randomUUID } from 'node:crypto';
import { select } from '../contract/ledger.js';
import { activate } from '../support/activation.js';
import { makeActivationCode, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

describe('activation codes', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let licenseId: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    ({ id: licenseId } = await registerLicense(issuer));
  });
  afterAll(() => issuer.stop());

  async function listed(query = ''): Promise<readonly { id: string; uses: number }[]> {
    const response = await issuer.admin('GET', `licenses/${licenseId}/activation_codes${query}`);
    return ((await response.json()) as { items: { id: string; uses: number }[] }).items;
  }

  it('are shown once, and kept as a digest', async () => {
    const path = `licenses/${licenseId}/activation_codes`;
    const response = await issuer.admin('POST', path, { max_uses: 2, expires_at: null });
    expect(response.status).toBe(201);
    const made = (await response.json()) as { id: string; code: string };
    expect(made).toMatchObject({ license_id: licenseId, max_uses: 2, uses: 0, expires_at: null });
    expect(made.code).toMatch(/^[A-Za-z0-9]{24}$/);
    expect(response.headers.get('location')).toBe(
      `${issuer.url}/api/v1/activation_codes/${made.id}`,
    );
    const again = await (await issuer.admin('GET', `activation_codes/${made.id}`)).json();
    expect(again).not.toHaveProperty('code');
    const rows = await select<object>(issuer, 'SELECT * FROM activation_codes');
    expect(JSON.stringify(rows)).not.toContain(made.code);
  });

  it('may be used once unless told otherwise', async () => {
    const { id } = await makeActivationCode(issuer, licenseId);
    const kept = await (await issuer.admin('GET', `activation_codes/${id}`)).json();
    expect(kept).toMatchObject({ max_uses: 1 });
  });

  it('can be filtered by whether another instance could use them', async () => {
    const usedUp = await makeActivationCode(issuer, licenseId);
    await activate(issuer, usedUp.code, randomUUID());
    // Codes of one millisecond have no order.
    clock.advance(1);
    const revoked = await makeActivationCode(issuer, licenseId);
    await issuer.admin('DELETE', `activation_codes/${revoked.id}`);
    clock.advance(1);
    const open = await makeActivationCode(issuer, licenseId);
    expect((await listed('?usable=true')).map(({ id }) => id)).toEqual([open.id]);
    expect((await listed('?usable=false')).map(({ id }) => id)).toEqual([usedUp.id, revoked.id]);
    expect((await listed()).map(({ uses }) => uses)).toEqual([1, 0, 0]);
  });

  it('are paged by keyset', async () => {
    for (let n = 0; n < 3; n += 1) await makeActivationCode(issuer, licenseId);
    const path = `licenses/${licenseId}/activation_codes?per_page=2`;
    const first = await issuer.admin('GET', path);
    const { next_cursor } = (await first.json()) as { next_cursor: string };
    expect(first.headers.get('link')).toContain(`cursor=${next_cursor}`);
    expect(await listed(`?per_page=2&cursor=${next_cursor}`)).toHaveLength(1);
  });

  it.each([
    ['max_uses', { max_uses: 0 }],
    ['max_uses', { max_uses: '1' }],
    ['expires_at', { expires_at: 'tomorrow' }],
    ['expires_at', { expires_at: '2026-03-10T12:00:00Z' }],
    ['code', { code: 'my own' }],
  ])('refuse a wrong %s by name', async (member, body) => {
    const response = await issuer.admin('POST', `licenses/${licenseId}/activation_codes`, body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', [`#/${member}`]);
  });

  it('belong to licenses that exist and are no legacy ones', async () => {
    const unknown = await issuer.admin('POST', `licenses/${randomUUID()}/activation_codes`, {});
    await expectProblem(unknown, 404, 'NOT_FOUND');
    const legacy = await registerLicense(issuer, { kind: 'legacy' });
    const response = await issuer.admin('POST', `licenses/${legacy.id}/activation_codes`, {});
    await expectProblem(response, 422, 'LICENSE_NOT_CLOUD');
    await expectProblem(
      await issuer.admin('DELETE', `activation_codes/${randomUUID()}`),
      404,
      'NOT_FOUND',
    );
  });
});
