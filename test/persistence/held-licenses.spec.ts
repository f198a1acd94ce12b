import { randomUUID } from 'node:crypto';
import { Database } from '../../src/database/database.js';
import { registerPaidLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

interface Prepared {
  readonly generic_plans: string;
  readonly custom_plans: string;
}

describe('the look-up of a sync', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it('is planned a few times and not for each sync, also where syncs come one by one', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const instance = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    for (let count = 0; count < 30; count += 1) await instance.sync(['catalog']);
    // One after the other, they go over one connection, which is the one that is free now.
    const { rows } = await issuer.running.app.get(Database).pool.query<Prepared>(
      `SELECT generic_plans, custom_plans FROM pg_prepared_statements
         WHERE name LIKE 'license_look_up_%'`,
    );
    const [statement] = rows;
    expect(Number(statement?.generic_plans)).toBeGreaterThan(15);
    expect(Number(statement?.custom_plans)).toBeLessThanOrEqual(5);
  });
});
