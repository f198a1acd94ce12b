import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  startChildIssuer,
  tokenOf,
} from '../support/child-issuer.js';
import { addSealedLicenses, openedBy } from '../support/sealed-rows.js';
import { someOf } from '../support/proofs.js';
import { installStopPoint } from '../support/stop-point.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const [A, B] = [randomBytes(32), randomBytes(32)];
const MANY = 250;
const UNDER_A = { KEY_ENCRYPTION_KEY: A.toString('base64') };
const UNDER_B = {
  KEY_ENCRYPTION_KEY: B.toString('base64'),
  KEY_ENCRYPTION_KEY_PREVIOUS: A.toString('base64'),
};
const BEFORE_KEY = { table: 'signing_keys', event: 'BEFORE UPDATE OF sealed_private_key' };
const AFTER_KEY = { table: 'signing_keys', event: 'AFTER UPDATE OF sealed_private_key' };
const BEFORE_LICENSE = { table: 'licenses', event: 'BEFORE UPDATE OF sealed_key' };
const AFTER_LICENSE = { table: 'licenses', event: 'AFTER UPDATE OF sealed_key' };

let database: TestDatabase;
let pool: Pool;
let licenseKey: string;
let ids: string[];
const children: ChildIssuer[] = [];
beforeAll(buildIssuer);
beforeEach(async () => {
  database = await createTestDatabase();
  pool = new Pool({ connectionString: database.url });
  const first = await start(UNDER_A);
  licenseKey = await createLicense(first);
  await first.remove();
  ids = await addSealedLicenses(pool, A, MANY);
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.remove()));
  await pool.end();
  await database.drop();
});

async function start(environment: Readonly<Record<string, string>>): Promise<ChildIssuer> {
  const child = await startChildIssuer(database.url, environment);
  children.push(child);
  await child.listening;
  return child;
}

describe('a process that is killed while it seals everything again', () => {
  it.each(
    someOf([
      { at: 'before anything is committed', event: BEFORE_KEY, nth: null, done: 0 },
      { at: 'with a signing key written, uncommitted', event: AFTER_KEY, nth: null, done: 0 },
      { at: 'between two batches', event: BEFORE_LICENSE, nth: 110, done: 102 },
      { at: 'within its last batch', event: AFTER_LICENSE, nth: 249, done: 202 },
    ]),
  )('leaves every value whole, and the next start goes on: $at', async ({ event, nth, done }) => {
    const when = nth === null ? {} : { when: `NEW.id = '${ids[nth]}'` };
    const point = await installStopPoint(pool, { ...event, ...when });
    const killed = await start(UNDER_B);
    await point.reached();
    // It serves while it stands among the licenses; a key's row is touched by every sync.
    if (nth !== null) await tokenOf(await killed.sync(licenseKey));
    killed.child.kill('SIGKILL');
    await expect(killed.ended).resolves.toBe('SIGKILL');
    await point.cutOff();

    const [underA, underB] = [await openedBy(pool, A), await openedBy(pool, B)];
    expect(underB.opened).toHaveLength(done);
    expect(underA.opened).toEqual(underB.closed);

    const next = await start(UNDER_B);
    while (!next.output.stdout.includes('KEY_ENCRYPTION_KEY_PREVIOUS can be removed'))
      await sleep(5);
    expect((await openedBy(pool, B)).closed).toEqual([]);
    await tokenOf(await next.sync(licenseKey));
  });
});
