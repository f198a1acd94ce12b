import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileStore } from '../../packages/cloud-connector-instance/src/index.js';
import { buildPackage } from '../support/build-package.js';
import { times } from '../support/proofs.js';

const ROUNDS = times(40, 10);

/** A process that writes as fast as it can. */
function startWriter(path: string, key: string) {
  const child = spawn(process.execPath, [join(__dirname, 'store-writer.mjs'), path, key], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close');
  return {
    /** The numbers of the updates that it knows to be durable. */
    done: () => output.split('\n').slice(0, -1).map(Number),
    killed: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('a store that two processes write', () => {
  let folder: string;
  beforeAll(async () => {
    await buildPackage('cloud-connector-instance');
    folder = await mkdtemp(join(tmpdir(), 'client-store-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it(`opens after each of ${ROUNDS} kills, with every update that was done`, async () => {
    const path = join(folder, 'store');
    const key = randomBytes(32).toString('base64');
    const done: number[] = [];
    let [locksLeft, draftsLeft] = [0, 0];
    for (let round = 0; round < ROUNDS; round += 1) {
      const writers = [startWriter(path, key), startWriter(path, key)];
      while (writers.some((writer) => writer.done().length === 0)) await sleep(5);
      await sleep(Math.random() * 20);
      // The first of them is killed while the other goes on, and has to get past its lock.
      await writers[0]?.killed();
      const before = writers[1]?.done().length ?? 0;
      while ((writers[1]?.done().length ?? 0) < before + 2) await sleep(5);
      await writers[1]?.killed();
      const left = await readdir(folder);
      if (left.includes('store.lock')) locksLeft += 1;
      if (left.some((name) => name.startsWith('store.draft-'))) draftsLeft += 1;

      done.push(...writers.flatMap((writer) => writer.done()));
      const { revocations, tokens } = await fileStore({ path, key }).read();
      const last = Math.max(...done);
      // A writer may have been killed after its update, before it reported that.
      expect([last, last + 1, last + 2]).toContain(revocations);
      expect(tokens[0]?.token).toMatch(new RegExp(`^token ${revocations} of \\d+ \\.{4000}$`));
    }
    // No update was based on a state that another update had replaced.
    expect(new Set(done).size).toBe(done.length);
    // The kills came in the middle of a write, not in the pause between two.
    expect(locksLeft + draftsLeft).toBeGreaterThan(0);
    expect((await readdir(folder)).filter((name) => name.includes('corrupt'))).toEqual([]);
  }, 240_000);

  it('leaves neither lock nor draft behind once a living process has written', async () => {
    const path = join(folder, 'tidy');
    const key = randomBytes(32);
    const store = fileStore({ path, key });
    await store.update((state) => ({ ...state, licenseKey: 'a key' }));
    expect((await readdir(folder)).filter((name) => name.startsWith('tidy'))).toEqual(['tidy']);
    expect((await lstat(path)).mode & 0o777).toBe(0o600);
  });
});
