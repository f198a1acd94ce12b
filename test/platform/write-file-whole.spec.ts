import { mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeWhole as writeClientFile } from '../../packages/cloud-connector-instance/src/write-whole.js';
import { lockDataDir } from '../../src/embedded-postgres/data-dir-lock.js';
import { generatedSecret } from '../../src/platform/generated-secret.js';
import { draftPath, sweepDrafts, writeFileWhole } from '../../src/platform/write-file-whole.js';
import { buildFaultyWriter, type FaultyWriter } from '../support/faulty-writer.js';
import { someOf } from '../support/proofs.js';

/** More steps than any writer takes. */
const MOST_STEPS = 40;

let folder: string;
let path: string;
let writer: Awaited<ReturnType<typeof buildFaultyWriter>>;
beforeAll(async () => {
  writer = await buildFaultyWriter();
});
afterAll(() => rm(writer.folder, { recursive: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'issuer-files-'));
  path = join(folder, 'a-file');
});
afterEach(() => rm(folder, { recursive: true }));

const contentOf = (file: string) => readFile(file, 'utf8').catch(() => null);

/** A lock as a process of an earlier boot left it. */
const STALE_LOCK = '{"pid":1,"startTicks":"1","bootId":"earlier"}\n';

interface Case {
  readonly writes: Parameters<FaultyWriter['run']>[0];
  readonly file: string;
  readonly before: string | null;
  /** Every content that may be found. */
  readonly allowed: RegExp;
  readonly tidy: () => Promise<void>;
}

/** What the next start does in the data directory. */
const sweep = async () => {
  await sweepDrafts(folder, new Date());
};
/** What the next write of a package does, a minute later. */
const writeAgain = async () => {
  for (const name of await readdir(folder)) await utimes(join(folder, name), 0, 0);
  const aside = join(folder, 'aside');
  await rename(path, aside).catch(() => undefined);
  await writeClientFile(path, '', 'replace');
  await rm(path);
  await rename(aside, path).catch(() => undefined);
};

const REPLACED = { file: 'a-file', before: 'old content', allowed: /^(old|new) content$/ };
const MADE = { file: 'a-file', before: null, allowed: /^new content$/ };
const LOCK = { file: 'service.lock', before: STALE_LOCK, allowed: /^\{.*\}\n$/ };
/** The quick form has the second of each two. */
const CASES: readonly Case[] = [
  { writes: 'client: keep', ...MADE, tidy: writeAgain },
  { writes: 'replace', ...REPLACED, tidy: sweep },
  { writes: 'client: replace', ...REPLACED, tidy: writeAgain },
  { writes: 'keep', ...MADE, tidy: sweep },
  { writes: 'mock-issuer', ...REPLACED, tidy: writeAgain },
  { writes: 'lock', ...LOCK, tidy: sweep },
];

describe.each(someOf(CASES))(
  'a file that is written ($writes)',
  ({ writes, file, before, allowed, tidy }) => {
    async function walkFaults(fault: 'kill' | 'full', check: () => Promise<void>): Promise<number> {
      const target = join(folder, file);
      for (let step = 1; step <= MOST_STEPS; step++) {
        if (before !== null) await writeFile(target, before);
        const how = await writer.run(writes, target, fault, step);
        if (how === 0) return step - 1;
        const content = await contentOf(target);
        if (content !== null) expect(content).toMatch(allowed);
        else expect([null, STALE_LOCK]).toContain(before);
        await check();
        await rm(target, { force: true });
      }
      throw new Error('the writer never came to its end');
    }

    it('is whole after a kill -9 at every step, and the next start leaves no draft', async () => {
      const steps = await walkFaults('kill', async () => {
        await tidy();
        expect((await readdir(folder)).filter((name) => name !== file)).toEqual([]);
      });
      expect(steps).toBeGreaterThanOrEqual(7);
    });

    it('is whole when the disk is full from any step on, and no draft is left at all', async () => {
      const steps = await walkFaults('full', async () => {
        expect((await readdir(folder)).filter((name) => name !== file)).toEqual([]);
      });
      expect(steps).toBeGreaterThanOrEqual(5);
    });
  },
);

describe('the sweep of drafts at a start', () => {
  it('keeps the drafts of a running process', async () => {
    const draft = draftPath(path);
    await writeFile(draft, 'half');
    await utimes(draft, 0, 0);
    await expect(sweepDrafts(folder, new Date())).resolves.toEqual([]);
  });

  it('removes the drafts of another boot, container or machine after a minute', async () => {
    const draft = draftPath(path).replace(/draft-.{8}/, 'draft-00000000');
    await writeFile(draft, 'half');
    const now = new Date();
    await utimes(draft, now, now);
    await expect(sweepDrafts(folder, new Date(now.getTime() + 59_000))).resolves.toEqual([]);
    await sweepDrafts(folder, new Date(now.getTime() + 61_000));
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps all other files', async () => {
    for (const name of ['admin-token', 'admin-token.old']) {
      await writeFile(join(folder, name), '');
      await utimes(join(folder, name), 0, 0);
    }
    await expect(sweepDrafts(folder, new Date())).resolves.toEqual([]);
  });

  it('does nothing when the folder does not exist', async () => {
    await expect(sweepDrafts(join(folder, 'missing'), new Date())).resolves.toEqual([]);
  });
});

describe('writing a file whole', () => {
  it('keeps what is there when it is to be kept, and says so', async () => {
    expect(await writeFileWhole(path, 'first', 'keep')).toBe(true);
    expect(await writeFileWhole(path, 'second', 'keep')).toBe(false);
    expect(await contentOf(path)).toBe('first');
    expect(await writeFileWhole(path, 'third')).toBe(true);
    expect(await contentOf(path)).toBe('third');
  });

  it('lets ten starts at once agree on one secret, and one of them have the lock', async () => {
    const starts = Array.from({ length: 10 }, (_, index) => index);
    const secrets = await Promise.all(
      starts.map((n) => generatedSecret(path, () => `secret ${n}`)),
    );
    expect(new Set(secrets).size).toBe(1);
    const locks = await Promise.allSettled(starts.map(() => lockDataDir(folder)));
    expect(locks.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await readdir(folder)).sort()).toEqual(['a-file', 'service.lock']);
  });
});
