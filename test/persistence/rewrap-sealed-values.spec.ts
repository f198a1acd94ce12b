import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import { Database } from '../../src/database/database.js';
import { RewrapSealedValues } from '../../src/sealing/rewrap-sealed-values.js';
import { SEALED_COLUMNS, type SealedColumn } from '../../src/sealing/sealed-columns.js';
import { replaceSealedValues } from '../../src/sealing/sealed-values.js';
import { StartRefusedError } from '../../src/platform/start-refused.js';
import { registerPaidLicense } from '../support/builders.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { addSealedLicenses, openedBy } from '../support/sealed-rows.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const [A, B] = [randomBytes(32), randomBytes(32)];
const MANY = 230;

/** The variables of a service with this key, and with the one that it takes the place of. */
const keys = (key: Buffer, previous?: Buffer) => ({
  KEY_ENCRYPTION_KEY: key.toString('base64'),
  KEY_ENCRYPTION_KEY_PREVIOUS: previous?.toString('base64') ?? '',
});

let first: TestIssuer;
let pool: Pool;
const others: TestIssuer[] = [];
beforeEach(async () => {
  first = await startTestIssuer({ environment: keys(A) });
  pool = new Pool({ connectionString: first.database.url });
  // Its connections may be ended from outside, with the database.
  pool.on('error', () => undefined);
});
afterEach(async () => {
  for (const other of others.splice(0)) await other.stop();
  await pool.end();
  await first.stop();
});

/** Another start on the same database. */
async function start(environment: Record<string, string>): Promise<TestIssuer> {
  const issuer = await startTestIssuer({ sharing: first, environment });
  others.push(issuer);
  return issuer;
}
const instanceAt = ({ url }: TestIssuer, licenseKey: string) =>
  new GitlabInstance(url, { licenseKey, instanceId: randomUUID() });
const rewrapOf = (issuer: TestIssuer) => issuer.running.app.get(RewrapSealedValues);

describe('a change of the key-encryption key', () => {
  it('seals everything again while instances sync; then the old key may go', async () => {
    const { licenseKey } = await registerPaidLicense(first);
    await addSealedLicenses(pool, A, MANY);
    const before = await recorded();
    await first.running.close();

    const second = await start(keys(B, A));
    const instance = instanceAt(second, licenseKey);
    do await instance.serviceToken();
    while (!(await metricsOf(second)).includes('issuer_sealed_values{sealed_under="previous"} 0'));

    // One license, two signing keys and two auxiliary keys.
    const total = MANY + 7;
    expect(await metricsOf(second)).toContain(`{sealed_under="current"} ${total}`);
    expect((await openedBy(pool, B)).opened).toHaveLength(total);
    expect((await openedBy(pool, A)).opened).toEqual([]);
    await expect(recorded()).resolves.toEqual(before);
    expect(
      second.logs.filter((line) => line.includes('KEY_ENCRYPTION_KEY_PREVIOUS can be removed')),
    ).toEqual([expect.stringContaining('"level":"info"')]);
    await second.running.close();

    const third = await start(keys(B));
    await instanceAt(third, licenseKey).serviceToken();
    await third.running.close();
    const refused = startTestIssuer({ sharing: first, environment: keys(A) });
    await expect(refused).rejects.toThrow(StartRefusedError);
    await expect(refused).rejects.toThrow(/KEY_ENCRYPTION_KEY_PREVIOUS/);
  });

  it('done twice does nothing, and says how far it is', async () => {
    await addSealedLicenses(pool, A, MANY);
    const second = await start(keys(B, A));
    await rewrapOf(second).run();
    const versions = await rowVersions();
    const steps: unknown[] = [];
    await rewrapOf(second).run((progress) => steps.push(progress));
    await expect(rowVersions()).resolves.toEqual(versions);
    expect(steps).toEqual([]);

    await addSealedLicenses(pool, A, MANY);
    await rewrapOf(second).run((progress) => steps.push(progress));
    expect(steps).toEqual([100, 200, MANY].map((done) => ({ done, total: MANY })));
  });

  it('is done by several replicas at once, each value once', async () => {
    const replicas = [await start(keys(B, A)), await start(keys(B, A))];
    await addSealedLicenses(pool, A, MANY);
    await Promise.all(replicas.map((replica) => rewrapOf(replica).run()));
    // What one of them held when the other came by, the other passed over.
    await expect(rewrapOf(replicas[0] as TestIssuer).run()).resolves.toMatchObject({ previous: 0 });
    expect((await openedBy(pool, B)).closed).toEqual([]);
  });

  it('takes back what a replica with the old key seals meanwhile', async () => {
    const second = await start(keys(B, A));
    await rewrapOf(second).run();
    const { licenseKey } = await registerPaidLicense(first);
    await expect(rewrapOf(second).run()).resolves.toMatchObject({ previous: 0, unknown: 0 });
    await instanceAt(first, licenseKey).serviceToken();
    await instanceAt(second, licenseKey).serviceToken();
  });
});

describe('sealing a value again', () => {
  it('never overwrites one that was changed since it was read', async () => {
    const [id = ''] = await addSealedLicenses(pool, A, 1);
    const [, licenses] = first.running.app.get<SealedColumn[]>(SEALED_COLUMNS);
    if (licenses?.table !== 'licenses') throw new Error('another column than was expected');
    const read = await sealedKeyOf(id);
    const changed = randomBytes(60);
    await pool.query('UPDATE licenses SET sealed_key = $2 WHERE id = $1', [id, changed]);

    const { manager } = first.running.app.get(Database);
    const stale = { id, sealed: read, rewrapped: randomBytes(60) };
    await replaceSealedValues(manager, licenses, [stale]);
    await expect(sealedKeyOf(id)).resolves.toEqual(changed);
    await replaceSealedValues(manager, licenses, [{ ...stale, sealed: changed }]);
    await expect(sealedKeyOf(id)).resolves.toEqual(stale.rewrapped);
  });

  it('neither waits for an admin who changes the license nor loses the change', async () => {
    const second = await start(keys(B, A));
    await rewrapOf(second).run();
    const [id] = await addSealedLicenses(pool, A, 2);
    const admin = await pool.connect();
    await admin.query('BEGIN');
    await admin.query('UPDATE licenses SET seats = 77, version = 2 WHERE id = $1', [id]);
    await expect(rewrapOf(second).run()).resolves.toMatchObject({ previous: 1 });
    await admin.query('COMMIT');
    admin.release();

    await expect(rewrapOf(second).run()).resolves.toMatchObject({ previous: 0 });
    const { rows } = await pool.query('SELECT seats, version FROM licenses WHERE id = $1', [id]);
    expect(rows).toEqual([{ seats: 77, version: 2 }]);
  });

  it('leaves one that does not open as it is, says so, and goes on with the others', async () => {
    const second = await start(keys(B, A));
    await rewrapOf(second).run();
    const [moved = '', from] = await addSealedLicenses(pool, A, 3);
    await pool.query(
      `UPDATE licenses SET sealed_key = (SELECT sealed_key FROM licenses WHERE id = $2) WHERE id = $1`,
      [moved, from],
    );
    await expect(rewrapOf(second).run()).resolves.toMatchObject({ previous: 1 });
    expect(second.logs.join('')).toContain(`the sealed value of licenses:${moved} was changed`);
  });
});

describe('a value that neither key opens', () => {
  it('is logged by a start that goes on, and is sealed again once its key is known', async () => {
    await first.running.close();
    const lost = randomBytes(32);
    await addSealedLicenses(pool, lost, 2);
    const second = await start(keys(A));
    while (!second.logs.some((line) => line.includes('sealed under an unknown key')))
      await sleep(5);
    const errors = second.logs.filter((line) => line.includes('"level":"error"'));
    expect(errors).toEqual([expect.stringContaining('KEY_ENCRYPTION_KEY_PREVIOUS')]);
    expect(await metricsOf(second)).toContain('issuer_sealed_values{sealed_under="unknown"} 2');

    const third = await start(keys(A, lost));
    await expect(rewrapOf(third).run()).resolves.toMatchObject({ previous: 0, unknown: 0 });
  });
});

describe('the list of sealed columns', () => {
  it('has every column of the database that is named so', async () => {
    const { rows } = await pool.query<{ column: string }>(
      `SELECT table_name || '.' || column_name AS column FROM information_schema.columns
       WHERE table_schema = 'public' AND column_name LIKE 'sealed\\_%' ORDER BY 1`,
    );
    const listed = first.running.app.get<SealedColumn[]>(SEALED_COLUMNS);
    expect(listed.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(
      rows.map(({ column }) => column),
    );
  });
});

async function metricsOf(issuer: TestIssuer): Promise<string> {
  return (await fetch(`${issuer.url}/-/metrics`)).text();
}

async function sealedKeyOf(id: string): Promise<Buffer> {
  const sql = 'SELECT sealed_key FROM licenses WHERE id = $1';
  const { rows } = await pool.query<{ sealed_key: Buffer }>(sql, [id]);
  if (!rows[0]) throw new Error(`no license ${id}`);
  return rows[0].sealed_key;
}

/** All that is recorded of licenses and keys, beside what is sealed and what a sync changes. */
async function recorded(): Promise<unknown> {
  const { rows } = await pool.query(
    `SELECT to_jsonb(l) - 'sealed_key' AS row FROM licenses l
     UNION ALL SELECT to_jsonb(k) - '{sealed_private_key,tokens_expire_by}'::text[] FROM signing_keys k
     UNION ALL SELECT to_jsonb(k) - '{sealed_private_key,sealed_kid}'::text[] FROM auxiliary_keys k
     UNION ALL SELECT to_jsonb(h) FROM licenses_history h ORDER BY 1`,
  );
  return rows;
}

/** Which version of each row stands in the table. */
async function rowVersions(): Promise<unknown> {
  const { rows } = await pool.query(
    `SELECT id::text, xmin::text FROM licenses UNION SELECT kid, xmin::text FROM signing_keys
     UNION SELECT kid, xmin::text FROM auxiliary_keys ORDER BY 1`,
  );
  return rows;
}
