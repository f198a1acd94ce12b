import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expectProblem } from '../api/problem.js';
import { LedgerAuditor } from '../../src/ledger-audit/ledger-auditor.js';
import {
  assignSeats,
  recordNamespacePurchase,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { select } from './ledger.js';

const PLATFORM = 'EA8BF810-1D6F-4A6A-B4FD-93E8CBD8B57F';
const START = '2026-03-10T12:00:00.250Z';
const FREE = ['duo_workflow_execute_workflow', 'observability_all', 'security_scans'];

interface TokenJson {
  readonly token: string;
  readonly expires_at: string;
  readonly scopes: readonly string[];
}

describe('a self-issued token', () => {
  const clock = new FakeClock(new Date(START));
  let issuer: TestIssuer;
  let pro: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({
      clock,
      environment: { SELF_ISSUED_INSTANCE_ID: PLATFORM, TOKEN_STATUS_LIST: 'true' },
    });
    pro = (await recordNamespacePurchase(issuer, '9')).id;
    await recordNamespacePurchase(issuer, '9', { add_on: 'duo_core' });
    await assignSeats(issuer, pro, '7');
  });
  beforeEach(() => {
    clock.set(START);
  });
  afterAll(() => issuer.stop());

  const post = (body: object) => issuer.admin('POST', 'self_issued_tokens', body);
  async function issued(body: object): Promise<TokenJson> {
    const response = await post(body);
    if (response.status !== 201) throw new Error(await response.text());
    return (await response.json()) as TokenJson;
  }
  const rowOf = async (jti: unknown) =>
    (
      await select<Record<string, unknown>>(
        issuer,
        'SELECT *, self_issued::text AS order FROM issued_tokens WHERE jti = $1',
        [jti],
      )
    )[0];

  it('has the claims of the contract, and verifies with the published keys', async () => {
    const response = await post({ user: '7', unit_primitives: ['duo_chat'] });
    expect(response.status).toBe(201);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { token, expires_at, scopes } = (await response.json()) as TokenJson;
    expect(expires_at).toBe('2026-03-10T13:00:00.000Z');
    expect(scopes).toEqual(['duo_chat']);
    expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'JWT', alg: 'RS256' });
    const { jti, iat, status, ...claims } = decodeJwt(token);
    expect(claims).toEqual({
      iss: issuer.url,
      aud: ['gitlab-ai-gateway', 'gitlab-duo-workflow-service'],
      sub: PLATFORM,
      nbf: Number(iat),
      exp: Number(iat) + 5 + 3600,
      gitlab_realm: 'saas',
      scopes: ['duo_chat'],
    });
    expect(status).toMatchObject({ status_list: { uri: `${issuer.url}/status/0` } });
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);

    const validator = new BackendValidator(issuer.url, 'gitlab-ai-gateway', () => clock.now());
    const headers = backendHeaders(token, PLATFORM, { 'x-gitlab-realm': 'saas' });
    await expect(validator.judge(headers)).resolves.toMatchObject({ accepted: true });
    clock.advance(3_600_000);
    await expect(validator.judge(headers)).resolves.toMatchObject({ accepted: false });
  });

  it('has a row in the ledger, with its request and without a license', async () => {
    const extra_claims = { gitlab_namespace_ids: ['9', 10], gitlab_project_id: 3 };
    const { token } = await issued({ user: '7', unit_primitives: ['duo_chat'], extra_claims });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject(extra_claims);
    const row = await rowOf(claims.jti);
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url');
    expect(row).toMatchObject({
      ...{ license_id: null, instance_id: null, gitlab_version: null, revoked_at: null },
      kid: decodeProtectedHeader(token).kid,
      expires_at: new Date('2026-03-10T13:00:00Z'),
      claims_digest: createHash('sha256').update(payload).digest(),
      batch_number: expect.any(Number) as number,
      order: JSON.stringify({ user: '7', unit_primitives: ['duo_chat'], extra_claims }),
    });
    const [key] = await select<{ tokens_expire_by: Date }>(
      issuer,
      `SELECT tokens_expire_by FROM signing_keys WHERE phase = 'current'`,
    );
    expect(key?.tokens_expire_by.getTime()).toBeGreaterThanOrEqual(Date.parse('2026-03-10T13:00Z'));
  });

  it('has what the newest Rails adds, and is audited with it', async () => {
    const policies = JSON.stringify({
      tools: Array.from({ length: 160 }, (_, n) => `tool_${n} é`),
    });
    const tool_access_policies = `"${policies.replaceAll('"', '').padEnd(3900, 'x')}"`;
    for (const skip_usage_cutoff of [true, false]) {
      const extra_claims = { skip_usage_cutoff, tool_access_policies };
      const { token } = await issued({ user: '7', unit_primitives: ['duo_chat'], extra_claims });
      expect(decodeJwt(token)).toMatchObject(extra_claims);
    }
    const found: unknown[] = [];
    await issuer.running.app.get(LedgerAuditor).audit({}, (finding) => found.push(finding));
    expect(found).toEqual([]);
    const refused = await post({
      user: '7',
      extra_claims: { skip_usage_cutoff: 'yes', tool_access_policies: '{' },
    });
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({
      errors: [
        { pointer: '#/extra_claims/skip_usage_cutoff' },
        { pointer: '#/extra_claims/tool_access_policies' },
      ],
    });
  });

  it('depends on the seats of a user, and on the purchases of a namespace', async () => {
    const user = await issued({ user: '7' });
    expect(user.scopes).toEqual(expect.arrayContaining(['code_suggestions', 'duo_chat', ...FREE]));
    expect((await issued({ user: '8' })).scopes).toEqual(FREE);
    const namespace = await issued({ namespace: '9' });
    expect(namespace.scopes).toEqual(expect.arrayContaining(['code_suggestions', 'duo_chat']));
    expect((await issued({ namespace: 'unknown' })).scopes).toEqual(FREE);
    expect(decodeJwt(namespace.token).sub).toBe(PLATFORM);
  });

  it('does not depend on a seat of a license: its instance has users of its own', async () => {
    const license = await registerLicense(issuer);
    const { id } = await recordPurchase(issuer, license.id, { add_on: 'duo_pro' });
    await assignSeats(issuer, id, '77');
    expect((await issued({ user: '77' })).scopes).toEqual(FREE);
  });

  it('ends with the seat and with the purchase, at once', async () => {
    const { id } = await recordNamespacePurchase(issuer, '10', { expires_on: '2026-03-12' });
    await assignSeats(issuer, id, '11', '12');
    const wanted = (user: string) => post({ user, unit_primitives: ['duo_chat'] });
    expect((await wanted('11')).status).toBe(201);
    await issuer.admin('DELETE', `add_on_purchases/${id}/seat_assignments`, { user_ids: ['11'] });
    await expectProblem(await wanted('11'), 422, 'NOTHING_TO_GRANT');
    clock.set('2026-03-11T23:59:59.999Z');
    expect((await wanted('12')).status).toBe(201);
    clock.set('2026-03-12T00:00:00Z');
    await expectProblem(await wanted('12'), 422, 'NOTHING_TO_GRANT');
  });

  it('grants only those wanted unit primitives that are available', async () => {
    const { scopes } = await issued({ user: '7', unit_primitives: ['duo_chat', 'ask_epic'] });
    expect(scopes).toEqual(['duo_chat']);
    const nothing = await post({ user: '7', unit_primitives: ['ask_epic'] });
    await expectProblem(nothing, 422, 'NOTHING_TO_GRANT');
  });

  it.each<[string, object, string[]]>([
    ['for nobody', {}, ['#/user']],
    ['for two', { user: '7', namespace: '9' }, ['#/namespace']],
    ['for a number', { user: 7 }, ['#/user']],
    [
      'of unknown scopes',
      { user: '7', unit_primitives: ['duo_chat', 'x', 'y'] },
      ['#/unit_primitives/1', '#/unit_primitives/2'],
    ],
    ['of no scopes', { user: '7', unit_primitives: [] }, ['#/unit_primitives']],
    [
      'with reserved claims',
      { user: '7', extra_claims: { sub: 'x', scopes: ['all'] } },
      ['#/extra_claims/sub', '#/extra_claims/scopes'],
    ],
    [
      'with an id of another type',
      { user: '7', extra_claims: { gitlab_project_id: true } },
      ['#/extra_claims/gitlab_project_id'],
    ],
    ['with claims that are none', { user: '7', extra_claims: [] }, ['#/extra_claims']],
    [
      'with claims longer than a header',
      {
        namespace: '9',
        extra_claims: { gitlab_namespace_ids: Array.from({ length: 100 }, () => 'x'.repeat(64)) },
      },
      ['#/extra_claims'],
    ],
    ['with members that nobody knows', { user: '7', realm: 'saas' }, ['#/realm']],
  ])('is refused %s, by name', async (_how, body, places) => {
    await expectProblem(await post(body), 422, 'VALIDATION_FAILED', places);
  });

  it('takes no place in a status list when it is refused', async () => {
    const placeOf = async () =>
      decodeJwt<{ status: { status_list: { idx: number } } }>(
        (await issued({ namespace: '9' })).token,
      ).status.status_list.idx;
    const before = await placeOf();
    const gitlab_namespace_ids = Array.from({ length: 100 }, () => 'x'.repeat(64));
    const tooLong = { namespace: '9', extra_claims: { gitlab_namespace_ids } };
    await expectProblem(await post(tooLong), 422, 'VALIDATION_FAILED');
    expect(await placeOf()).toBe(before + 1);
  });

  it('is listed, shown and revoked by its jti, also in its status list', async () => {
    const { token } = await issued({ namespace: '9' });
    const { jti, status } = decodeJwt(token);
    const read = async () => (await issuer.admin('GET', `service_tokens/${jti ?? ''}`)).json();
    const view = { license_id: null, instance_id: null, gitlab_version: null };
    expect(await read()).toMatchObject({
      ...{
        jti,
        ...view,
        self_issued: { namespace: '9' },
        status_list: (status as { status_list: unknown }).status_list,
      },
      ...{ revoked_at: null, revocation: null },
    });
    const list = await issuer.admin('GET', 'service_tokens?per_page=100&live=true');
    expect(((await list.json()) as { items: { jti: string }[] }).items).toEqual(
      expect.arrayContaining([expect.objectContaining({ jti, ...view })]),
    );
    const revoke = await issuer.admin('POST', `service_tokens/${jti ?? ''}/revoke`, {
      reason: 'x',
    });
    expect(revoke.status).toBe(200);
    expect(await read()).toMatchObject({
      ...{ revoked_at: expect.any(String) as string, revocation: { reason: 'x' } },
    });
    const sql = 'SELECT 1 FROM issued_tokens WHERE jti = $1 AND revoked_at IS NOT NULL';
    expect(await select(issuer, sql, [jti])).toHaveLength(1);
  });

  it('is counted when its key is revoked', async () => {
    await issued({ namespace: '9' });
    const sql = `SELECT count(*)::int AS live FROM issued_tokens WHERE expires_at > $1`;
    const [row] = await select<{ live: number }>(issuer, sql, [clock.now()]);
    const { items } = (await (await issuer.admin('GET', 'signing_keys')).json()) as {
      readonly items: readonly { readonly kid: string; readonly phase: string }[];
    };
    const kid = items.find(({ phase }) => phase === 'current')?.kid ?? '';
    const answer = await issuer.admin('POST', `signing_keys/${kid}/revoke`, { dry_run: true });
    expect(await answer.json()).toMatchObject({
      impact: {
        ...{ live_tokens: row?.live, self_issued_tokens: row?.live, instances: 0 },
        affected_instances: [],
      },
    });
  });
});

describe('self-issued tokens', () => {
  it('are off until the operator names the platform', async () => {
    const issuer = await startTestIssuer();
    const response = await issuer.admin('POST', 'self_issued_tokens', { user: '7' });
    await expectProblem(response, 409, 'SELF_ISSUED_TOKENS_OFF');
    await issuer.stop();
  });
});
