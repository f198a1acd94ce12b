import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { LedgerAuditor } from '../../src/ledger-audit/ledger-auditor.js';
import { JudgeToken } from '../../src/ledger-audit/judge-token.js';
import type { Finding } from '../../src/ledger-audit/finding.js';
import { assignSeats, recordNamespacePurchase, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { Intruder } from '../support/tampering.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const MINUTE = 60_000;

describe('the audit of self-issued tokens', () => {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00.250Z'));
  let issuer: TestIssuer;
  let intruder: Intruder;
  let purchase: string;
  let token: string;

  beforeAll(async () => {
    const environment = {
      SELF_ISSUED_INSTANCE_ID: 'ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f',
      TOKEN_STATUS_LIST: 'true',
    };
    issuer = await startTestIssuer({ clock, environment });
    intruder = await Intruder.into(issuer);
    await issueWhileThingsChange();
    await intruder.remember();
  });
  afterEach(() => intruder.restore());
  afterAll(async () => {
    await intruder.leave();
    await issuer.stop();
  });

  async function issue(body: object): Promise<string> {
    const response = await issuer.admin('POST', 'self_issued_tokens', body);
    if (response.status !== 201) throw new Error(await response.text());
    return ((await response.json()) as { token: string }).token;
  }
  async function both(body: object = {}): Promise<void> {
    await Promise.all([issue({ user: '7', ...body }), issue({ namespace: '9', ...body })]);
  }

  async function issueWhileThingsChange(): Promise<void> {
    await both();
    purchase = (await recordNamespacePurchase(issuer, '9', { plan: 'premium' })).id;
    await both();
    await assignSeats(issuer, purchase, '7');
    // The same instant: nobody can tell which came first.
    await both({ unit_primitives: ['duo_chat'], extra_claims: { gitlab_namespace_ids: ['9', 3] } });
    clock.advance(MINUTE);
    await both();
    await issuer.admin('PATCH', 'namespaces/9', { plan: 'ultimate' });
    await recordNamespacePurchase(issuer, '9', {
      add_on: 'duo_enterprise',
      started_at: '2026-03-02',
    });
    clock.advance(MINUTE);
    await both();
    await issuer.running.app.get(LedgerCheckpoints).write();
    clock.advance(24 * 60 * MINUTE);
    await both();
    await recordNamespacePurchase(issuer, '9', { add_on: 'duo_amazon_q' });
    const users = { user_ids: ['7'] };
    await issuer.admin('DELETE', `add_on_purchases/${purchase}/seat_assignments`, users);
    clock.advance(MINUTE);
    await both();
    await assignSeats(issuer, purchase, '7');
    await issuer.admin('DELETE', `add_on_purchases/${purchase}`);
    clock.advance(MINUTE);
    await both();
    // The user keeps the seat.
    const next = await recordNamespacePurchase(issuer, '9', { started_at: '2026-03-02' });
    expect(next.assigned_seats).toBe(1);
    clock.advance(MINUTE);
    await both({ unit_primitives: ['duo_chat', 'security_scans'] });
    const { licenseKey } = await registerPaidLicense(issuer);
    const instanceId = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e50';
    await Promise.all([
      new GitlabInstance(issuer.url, { licenseKey, instanceId }).serviceToken(),
      both(),
    ]);
    token = await issue({ namespace: '9' });
    await issuer.running.app.get(LedgerCheckpoints).write();
    clock.advance(MINUTE);
    // Its seat was carried over and has given tokens.
    await issuer.admin('PATCH', `add_on_purchases/${next.id}`, { started_at: '2026-03-09' });
  }

  async function audit() {
    const found: Finding[] = [];
    const report = (finding: Finding) => found.push(finding);
    return { ...(await issuer.running.app.get(LedgerAuditor).audit({}, report)), found };
  }
  const change = (set: string) =>
    intruder.query(
      `UPDATE issued_tokens SET ${set} WHERE jti = (
         SELECT jti FROM issued_tokens WHERE self_issued->>'user' = '7'
         ORDER BY jti LIMIT 1 OFFSET 3)`,
    );
  const codes = async () => (await audit()).found.map(({ finding }) => finding);

  it('finds nothing wrong after purchases, assignments, releases and carried seats in between', async () => {
    await expect(audit()).resolves.toMatchObject({ rows: 22, found: [] });
    const sql = 'SELECT DISTINCT scope_set_digest FROM issued_tokens WHERE self_issued IS NOT NULL';
    expect((await intruder.query(sql)).length).toBeGreaterThan(3);
  });

  it('judges a token as one of ours', async () => {
    const found: Finding[] = [];
    const judge = issuer.running.app.get(JudgeToken);
    await expect(judge.judge(token, (finding) => found.push(finding))).resolves.toMatchObject({
      recorded: true,
    });
    expect(found).toEqual([]);
  });

  it.each([
    ['another user', `self_issued = '{"user":"8"}'`, 'UNEXPLAINED_SCOPES'],
    ['nobody', `self_issued = '{}'`, 'NOT_ENTITLED'],
    ['a malformed request', `self_issued = 'null'`, 'NOT_ENTITLED'],
    [
      'fewer scopes',
      `self_issued = '{"user":"7","unit_primitives":["duo_chat"]}'`,
      'UNEXPLAINED_SCOPES',
    ],
    [
      'another project',
      `self_issued = '{"user":"7","extra_claims":{"gitlab_project_id":1}}'`,
      'CLAIMS_DIFFER',
    ],
    [
      'a claim that may not be added',
      `self_issued = '{"user":"7","extra_claims":{"sub":"x"}}'`,
      'CLAIMS_DIFFER',
    ],
    ['a longer life', `expires_at = expires_at + interval '1 second'`, 'EXPIRES_TOO_LATE'],
    ['other claims', `claims_digest = sha256('')`, 'CLAIMS_DIFFER'],
  ])('finds a row that was changed to be for %s', async (_whom, set, code) => {
    await change(set);
    expect(await codes()).toEqual([code, 'ROW_MISSING_OR_CHANGED']);
  });

  it('finds a token for a seat that was never assigned', async () => {
    await intruder.query(`DELETE FROM seat_assignments WHERE released_at IS NOT NULL`);
    expect(new Set(await codes())).toEqual(new Set(['UNEXPLAINED_SCOPES']));
  });
});

describe('the row of an issued token', () => {
  it('belongs to an instance or holds the request of a self-issued token, never both or neither', async () => {
    const issuer = await startTestIssuer({
      clock: new FakeClock(new Date('2026-03-01T12:00:00Z')),
    });
    const intruder = await Intruder.into(issuer);
    const { licenseKey } = await registerPaidLicense(issuer);
    const instanceId = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e50';
    await new GitlabInstance(issuer.url, { licenseKey, instanceId }).serviceToken();
    for (const set of [
      `self_issued = '{"user":"7"}'`,
      'license_id = NULL',
      'license_id = NULL, instance_id = NULL, gitlab_version = NULL',
    ]) {
      await expect(intruder.query(`UPDATE issued_tokens SET ${set}`)).rejects.toMatchObject({
        constraint: 'issued_tokens_owner_check',
      });
    }
    await intruder.leave();
    await issuer.stop();
  });
});
