import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChildIssuer, createLicense, tokenOf } from '../support/child-issuer.js';
import { ageKeys, type ChildReplicas, childReplicas } from '../support/child-replicas.js';

jest.setTimeout(120_000);

let replicas: ChildReplicas;
let frozen: ChildIssuer;
let other: ChildIssuer;
beforeAll(async () => {
  replicas = await childReplicas({
    JWKS_CACHE_SECONDS: '3600',
    ISSUER_URL: 'http://localhost:3000',
    DATABASE_TIMEOUT_MS: '1000',
  });
  frozen = await replicas.start();
  other = await replicas.start();
}, 240_000);
afterAll(() => replicas.remove());

/** Makes the statement that retires a key take long enough to freeze its replica meanwhile. */
const slowDownRetirement = () =>
  replicas.pool.query(`
    CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_sleep(0.5);
      RETURN NULL;
    END $$;
    CREATE TRIGGER slow_down AFTER UPDATE ON signing_keys
    FOR EACH ROW WHEN (NEW.phase = 'retired' AND OLD.phase = 'current') EXECUTE FUNCTION slow_down()`);

async function waitFor(condition: string): Promise<void> {
  const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND ${condition}`;
  while ((await replicas.pool.query(sql)).rowCount === 0) await sleep(5);
}

async function firstToken(licenseKey: string): Promise<string> {
  for (let tries = 0; tries < 100; tries += 1) {
    const answer = await other.sync(licenseKey, randomUUID());
    if (answer.status === 200) return tokenOf(answer);
    await sleep(100);
  }
  throw new Error('the other replica issues nothing');
}

describe('a replica that is frozen in the middle of a rotation', () => {
  it('loses its transaction, so that the others go on issuing', async () => {
    const licenseKey = await createLicense(other);
    await ageKeys(replicas.pool, '2 hours');
    await slowDownRetirement();
    const rotating = frozen.admin('POST', 'signing_keys/rotate').catch(() => undefined);
    await waitFor(`wait_event = 'PgSleep'`);
    frozen.child.kill('SIGSTOP');
    await waitFor(`state = 'idle in transaction'`);

    await firstToken(licenseKey);

    frozen.child.kill('SIGCONT');
    await rotating;
    await tokenOf(await frozen.sync(licenseKey, randomUUID()));
  });
});
