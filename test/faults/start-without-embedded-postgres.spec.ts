import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockDataDir } from '../../src/embedded-postgres/data-dir-lock.js';
import { newDataDir } from '../support/child-issuer.js';
import { expectKeptKeys, expectRecovery } from '../support/kept-keys.js';
import { someOf } from '../support/proofs.js';
import { type RestartedIssuer, restartedIssuer } from '../support/restarted-issuer.js';
import { mountSmallDisk } from '../support/small-disk.js';

const disk = mountSmallDisk(160);

describe('a start whose embedded Postgres cannot start', () => {
  let root: string;
  let dataDir: string;
  let issuer: RestartedIssuer;
  let keys: string;
  beforeAll(async () => {
    root = disk?.path ?? (await newDataDir());
    dataDir = join(root, 'data');
    issuer = await restartedIssuer(dataDir, null);
    await issuer.start();
    keys = (await issuer.keySet()).text;
  }, 60_000);
  afterAll(async () => {
    await issuer.stop();
    if (disk) disk.remove();
    else await rm(root, { recursive: true });
  });

  const inDataDir = (name: string) => join(dataDir, name);
  /** Takes a file away until it is given back. */
  const without = (name: string) => ({
    spoil: () => rename(inDataDir(name), inDataDir('aside')),
    mend: () => rename(inDataDir('aside'), inDataDir(name)),
  });
  const withContent = (name: string, content: string) => {
    let before: string;
    return {
      spoil: async () => {
        before = await readFile(inDataDir(name), 'utf8');
        await writeFile(inDataDir(name), content);
      },
      mend: () => writeFile(inDataDir(name), before),
    };
  };
  const faults = [
    [
      'a folder in place of the lock',
      /service\.lock cannot be read/,
      {
        spoil: () => mkdir(inDataDir('service.lock')),
        mend: () => rm(inDataDir('service.lock'), { recursive: true }),
      },
    ],
    ['a damaged cluster', /postgres\.log/, without('postgres/global/pg_control')],
    ['no password', /restore .*postgres-password/, without('postgres-password')],
    ['a wrong password', /not the password of this cluster/, withContent('postgres-password', 'x')],
    [
      'no cluster where the link points',
      /cannot start: .*postgres/,
      without('postgres/PG_VERSION'),
    ],
    [
      'another version of Postgres',
      /made by Postgres 17/,
      withContent('postgres/PG_VERSION', '17'),
    ],
  ] as const;

  it.each(someOf(faults))(
    'publishes the kept keys, and works once it is mended: %s',
    async (_what, obstacle, { spoil, mend }) => {
      await issuer.stop();
      await spoil();
      await issuer.start();
      await expectKeptKeys(issuer, keys, obstacle);
      await mend();
      await expectRecovery(issuer, keys);
    },
    60_000,
  );

  (disk ? it : it.skip)(
    'publishes the kept keys, and works once it is mended: a full disk',
    async () => {
      await issuer.stop();
      await disk?.fill();
      await issuer.start();
      const full = `embedded Postgres cannot start: no space left on device: free space in ${dataDir}`;
      await expectKeptKeys(issuer, keys, new RegExp(full));
      await disk?.makeRoom();
      await expectRecovery(issuer, keys);
    },
    60_000,
  );

  it('refuses a data directory that another process uses, even an empty one', async () => {
    await expect(lockDataDir(dataDir)).rejects.toThrow('in use by the process');
    const second = await restartedIssuer(dataDir, null);
    await expect(second.start()).rejects.toThrow(`in use by the process with pid ${process.pid}`);
  });

  (disk ? it : it.skip)('refuses a first start, and names the folder', async () => {
    await issuer.stop();
    await disk?.fill();
    const path = join(root, 'first');
    const first = await restartedIssuer(path, null);
    await expect(first.start()).rejects.toThrow(`no space left on device: free space in ${root}`);
    await disk?.makeRoom();
  });
});
