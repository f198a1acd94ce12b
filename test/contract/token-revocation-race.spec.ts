import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { isPending } from '../persistence/rows.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { select } from './ledger.js';

describe('a revocation beside syncs: check, then revoke (Keycloak CVE-2026-1035)', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let replica: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    replica = await startTestIssuer({ clock, sharing: issuer });
  });
  afterAll(async () => {
    await replica.stop();
    await issuer.stop();
  });

  const syncAt = ({ url }: TestIssuer, licenseKey: string) =>
    new GitlabInstance(url, { licenseKey, instanceId: randomUUID() }).sync();

  async function tokensOf(licenseId: string): Promise<{ revoked: number; live: number }> {
    const [counts] = await select<{ revoked: number; live: number }>(
      issuer,
      `SELECT count(revoked_at)::int AS revoked, (count(*) - count(revoked_at))::int AS live
       FROM issued_tokens WHERE license_id = $1`,
      [licenseId],
    );
    return counts ?? { revoked: 0, live: 0 };
  }

  it('refuses syncs that were looked up before it, and no others in the same flush', async () => {
    const revoked = await registerPaidLicense(issuer);
    const other = await registerPaidLicense(issuer);
    const session = new Client({ connectionString: issuer.database.url });
    await session.connect();
    await session.query('BEGIN');
    // As a revocation takes it: syncs that were looked up before it queue up behind it.
    await session.query(`SELECT pg_advisory_xact_lock(hashtext('signing_keys.phase'))`);
    const syncs = Array.from({ length: 20 }, (_one, n) =>
      syncAt(issuer, n % 2 === 0 ? revoked.licenseKey : other.licenseKey),
    );
    await expect(isPending(Promise.any(syncs))).resolves.toBe(true);
    await session.query(
      `INSERT INTO service_token_revocations (id, subject, license_id, revoked_at, revoked_by, revoked_tokens)
       VALUES (gen_random_uuid(), 'license', $1, now(), 'test', 0)`,
      [revoked.id],
    );
    await session.query('COMMIT');
    await session.end();

    const answers = await Promise.all(syncs);
    expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
    answers.forEach(({ effect }, n) => {
      expect(effect).toBe(n % 2 === 0 ? 'deletes its tokens' : 'stores the token');
    });
    expect(await tokensOf(revoked.id)).toEqual({ revoked: 0, live: 0 });
    expect(await tokensOf(other.id)).toEqual({ revoked: 0, live: 10 });
  });

  it('leaves no token live, at any moment among syncs on two replicas', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id, licenseKey } = await registerPaidLicense(issuer);
      const syncs = Array.from({ length: 30 }, (_one, n) =>
        syncAt(n % 2 === 0 ? issuer : replica, licenseKey),
      );
      await Promise.race(syncs.slice(0, 2 + round));
      const answer = await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`);
      const { revocation } = (await answer.json()) as { revocation: { revoked_tokens: number } };
      const effects = (await Promise.all(syncs)).map(({ effect }) => effect);
      const stored = effects.filter((effect) => effect === 'stores the token').length;
      expect(effects.filter((effect) => effect === 'deletes its tokens')).toHaveLength(30 - stored);
      expect(await tokensOf(id)).toEqual({ revoked: stored, live: 0 });
      expect(revocation.revoked_tokens).toBe(stored);
      expect((await syncAt(replica, licenseKey)).effect).toBe('deletes its tokens');
    }
  });
});
