import { randomUUID } from 'node:crypto';
import { type ChildIssuer, createLicense, tokenOf } from '../support/child-issuer.js';
import { type ChildReplicas, childReplicas } from '../support/child-replicas.js';
import { installStopPoint, type StopPointOptions } from '../support/stop-point.js';

jest.setTimeout(120_000);

const REVOCATIONS = 'service_token_revocations';
const STEPS: readonly (readonly [string, StopPointOptions])[] = [
  ['the revocation is written', { table: REVOCATIONS, event: 'BEFORE INSERT' }],
  ['the live tokens are marked', { table: 'issued_tokens', event: 'BEFORE UPDATE' }],
  ['it is committed', { table: REVOCATIONS, event: 'AFTER INSERT', atCommit: true }],
];

describe('a process that is killed while it revokes the tokens of a license', () => {
  /** Each kill happens to the rows that the previous kill left. */
  let replicas: ChildReplicas;
  let issuer: ChildIssuer;
  beforeAll(async () => {
    replicas = await childReplicas();
    issuer = await replicas.start();
  }, 240_000);
  afterAll(() => replicas.remove());

  it.each(STEPS)(
    'before %s, has revoked nothing, and the request can be repeated',
    async (_step, stopAt) => {
      const licenseKey = await createLicense(issuer);
      await tokenOf(await issuer.sync(licenseKey, randomUUID()));
      const { rows } = await replicas.pool.query<{ id: string }>(
        'SELECT max(id::text) AS id FROM licenses',
      );
      const id = rows[0]?.id ?? '';
      const path = `licenses/${id}/service_tokens/revoke`;
      const stopPoint = await installStopPoint(replicas.pool, stopAt);
      const revoking = issuer.admin('POST', path).catch(() => undefined);
      await stopPoint.reached();
      issuer.child.kill('SIGKILL');
      await issuer.ended;
      await stopPoint.cutOff();
      await revoking;
      expect(await revokedOf(id)).toEqual({ revocations: 0, tokens: 0 });

      issuer = await replicas.start();
      await tokenOf(await issuer.sync(licenseKey, randomUUID()));
      expect((await issuer.admin('POST', path)).status).toBe(200);
      expect(await revokedOf(id)).toEqual({ revocations: 1, tokens: 2 });
      expect(await (await issuer.sync(licenseKey, randomUUID())).text()).toBe(
        '{"data":{"cloudConnectorAccess":{"serviceToken":null}}}',
      );
    },
  );

  async function revokedOf(licenseId: string) {
    const { rows } = await replicas.pool.query<{ revocations: number; tokens: number }>(
      `SELECT (SELECT count(*)::int FROM service_token_revocations WHERE license_id = $1) AS revocations,
              (SELECT count(*)::int FROM issued_tokens
               WHERE license_id = $1 AND revoked_at IS NOT NULL) AS tokens`,
      [licenseId],
    );
    return rows[0];
  }
});
