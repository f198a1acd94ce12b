import { catalogFolder, removeCatalogFolders } from '../catalog/catalog-folder.js';
import { registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize, select } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';

/** So many free unit primitives that no header line can carry the token which grants them. */
const TOO_MANY = Object.fromEntries(
  Array.from({ length: 200 }, (_, n) => {
    const name = `a_unit_primitive_with_number_${n}`;
    return [
      `unit_primitives/${name}.yml`,
      `name: ${name}\ndescription: x\nbackend_services: [gateway]\n`,
    ];
  }),
);

describe('a token that no validator could take', () => {
  let issuer: TestIssuer;
  let client: GitlabInstance;

  beforeAll(async () => {
    issuer = await startTestIssuer({
      clock: new FakeClock(new Date('2026-03-10T12:00:00Z')),
      environment: { CATALOG_DIR: catalogFolder(TOO_MANY) },
    });
    const { licenseKey } = await registerLicense(issuer);
    client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });
  afterAll(async () => {
    await issuer.stop();
    removeCatalogFolders();
  });

  it('is neither signed nor recorded, and the instance keeps the tokens that it has', async () => {
    const answer = await client.sync();
    expect(answer).toMatchObject({ code: 'INTERNAL', effect: 'keeps its tokens' });
    expect(answer.text).not.toContain('"ey');
    await expect(ledgerSize(issuer)).resolves.toBe(0);
    await expect(select(issuer, 'SELECT FROM ledger_batches')).resolves.toEqual([]);
  });

  it('is told of in the log by its faults, and counted', async () => {
    const told = issuer.logs.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told.filter(({ faults }) => faults !== undefined)).toEqual([
      expect.objectContaining({
        level: 'error',
        msg: 'claims with faults were not signed',
        faults: [expect.stringMatching(/^the payload has \d+ bytes, more than 5632$/)],
      }),
    ]);
    const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
    expect(metrics).toContain('\nissuer_lint_refusals_total 1\n');
  });
});
