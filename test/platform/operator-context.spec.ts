import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAppConfig } from '../../config/app-config.js';
import { withOperatorContext } from '../../src/cli/operator-context.js';
import { dataDirOwner } from '../../src/embedded-postgres/data-dir-lock.js';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  newDataDir,
  startChildIssuer,
} from '../support/child-issuer.js';
import { createTestDatabase } from '../support/test-database.js';

interface Found {
  readonly tokens: number;
  readonly port: number;
}

describe('a command of an operator', () => {
  let dataDir: string;
  let issuer: ChildIssuer;
  beforeAll(async () => {
    await buildIssuer();
    dataDir = await newDataDir();
    issuer = await startChildIssuer(null, { DATA_DIR: dataDir });
    await issuer.listening;
    const licenseKey = await createLicense(issuer);
    expect((await issuer.sync(licenseKey)).status).toBe(200);
  }, 60_000);
  afterAll(async () => {
    await issuer.remove();
    await rm(dataDir, { recursive: true, force: true });
  });

  const look = () =>
    withOperatorContext(
      async ({ database }): Promise<Found> => {
        const sql = 'SELECT count(*)::int AS tokens, inet_server_port() AS port FROM issued_tokens';
        const [row] = (await database.pool.query<Found>(sql)).rows;
        return { tokens: row?.tokens ?? 0, port: row?.port ?? 0 };
      },
      { config: readAppConfig(issuer.environment) },
    );

  it('reaches the embedded Postgres of the service that runs beside it', async () => {
    const [first, second] = [await look(), await look()];
    expect(first).toEqual({ tokens: 1, port: expect.any(Number) as number });
    expect(second).toEqual(first);
    expect((await issuer.admin('GET', 'licenses')).status).toBe(200);
  });

  it('starts that Postgres when no service runs, and leaves nothing running behind', async () => {
    issuer.child.kill('SIGTERM');
    await issuer.ended;
    await expect(look()).resolves.toMatchObject({ tokens: 1 });
    await expect(dataDirOwner(dataDir)).resolves.toBeUndefined();
    await expect(readAgain()).resolves.toBe(200);
  });

  it('leaves nothing running behind when it is interrupted while that Postgres starts', async () => {
    issuer.child.kill('SIGTERM');
    await issuer.ended;
    const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
    const keys = join(__dirname, '../../dist/src/cli/keys.js');
    const command = spawn(process.execPath, [keys, 'list'], { env: issuer.environment });
    const ended = once(command, 'close');
    while (!existsSync(pidFile)) await sleep(2);
    command.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(existsSync(pidFile)).toBe(false);
    await expect(dataDirOwner(dataDir)).resolves.toBeUndefined();
    await expect(readAgain()).resolves.toBe(200);
  });

  async function readAgain(): Promise<number> {
    issuer = await startChildIssuer(null, issuer.environment);
    await issuer.listening;
    return (await issuer.admin('GET', 'licenses')).status;
  }

  it('does not create a database: it names the folder without one, and does not change it', async () => {
    const empty = await newDataDir();
    const mistyped = join(empty, 'dtaa');
    const work = () => Promise.reject(new Error('it came so far'));
    for (const folder of [mistyped, empty]) {
      const config = readAppConfig({ ...issuer.environment, DATA_DIR: folder });
      const refusal = `there is no database in ${folder}: set DATA_DIR or DATABASE_URL as the service`;
      await expect(withOperatorContext(work, { config })).rejects.toThrow(refusal);
      await expect(readdir(empty)).resolves.toEqual([]);
    }
    await rm(empty, { recursive: true });
  });

  it('does not migrate: it says that the schema is old, and how to update it', async () => {
    const database = await createTestDatabase({ template: 'template0' });
    const environment = {
      ...issuer.environment,
      DATABASE_URL: database.url,
      DATA_DIR: join(dataDir, 'unused'),
    };
    const work = () => Promise.reject(new Error('it came so far'));
    await expect(withOperatorContext(work, { config: readAppConfig(environment) })).rejects.toThrow(
      /^the schema of the database is older than this program \(\d+ migration/,
    );
    await database.drop();
  });
});
