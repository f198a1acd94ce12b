import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { registerPaidLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** As after a restore, or a failover to a standby that lagged behind. */
async function lose(issuer: TestIssuer, table: string): Promise<void> {
  const client = new Client({ connectionString: issuer.database.url });
  await client.connect();
  try {
    await client.query(`SET session_replication_role = replica; DELETE FROM ${table}`);
  } finally {
    await client.end();
  }
}

describe('a database that was set back under a running service', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it.each(['scope_sets', 'catalog_snapshots', 'policy_snapshots'])(
    'is told again of the %s that tokens refer to, and the tokens are issued',
    async (table) => {
      const { licenseKey } = await registerPaidLicense(issuer);
      const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
      expect((await instance.sync()).effect).toBe('stores the token');

      await lose(issuer, table);

      expect((await instance.sync()).effect).toBe('stores the token');
    },
  );
});
