import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from './file-store.js';
import { EMPTY_STATE, type StoredState } from './stored-state.js';

const SECRET = 'a-license-key-that-nobody-may-read';
const withKey = (licenseKey: string) => (state: StoredState) => ({ ...state, licenseKey });

describe('a sealed file', () => {
  const key = randomBytes(32);
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'client-store-'));
    path = join(folder, 'store');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('says why a file cannot be used, by a code', async () => {
    const store = fileStore({ path: folder, key });
    for (const call of [store.read(), store.update(withKey(SECRET))]) {
      await expect(call).rejects.toMatchObject({
        code: 'STORE_UNUSABLE',
        message: expect.stringContaining(`${folder} cannot be used: EISDIR`) as string,
      });
    }
  });

  it('is empty before it is there, and then holds what was stored', async () => {
    const store = fileStore({ path, key });
    expect(await store.read()).toEqual(EMPTY_STATE);
    await store.update(withKey(SECRET));
    expect(await fileStore({ path, key: key.toString('base64') }).read()).toEqual({
      ...EMPTY_STATE,
      licenseKey: SECRET,
    });
  });

  it('shows nobody else what it holds, nor the same bytes twice', async () => {
    const store = fileStore({ path, key });
    await store.update(withKey(SECRET));
    const first = await readFile(path);
    expect(first.toString('latin1')).not.toContain(SECRET);
    expect((await lstat(path)).mode & 0o777).toBe(0o600);
    await store.update((state) => ({ ...state }));
    expect(await readFile(path)).not.toEqual(first);
  });

  it('sees at once what another store on the same file wrote', async () => {
    const [one, other] = [fileStore({ path, key }), fileStore({ path, key })];
    for (const licenseKey of ['a', 'b', 'c']) {
      await one.update(withKey(licenseKey));
      expect((await other.read()).licenseKey).toBe(licenseKey);
    }
  });

  it('loses none of many updates at the same time', async () => {
    const stores = Array.from({ length: 8 }, () => fileStore({ path, key }));
    const count = (state: StoredState) => ({ ...state, revocations: state.revocations + 1 });
    await Promise.all(stores.flatMap((store) => [store.update(count), store.update(count)]));
    expect((await fileStore({ path, key }).read()).revocations).toBe(16);
  });

  it('is set aside when a single bit of it was changed, wherever, and never opened', async () => {
    await fileStore({ path, key }).update(withKey(SECRET));
    const good = await readFile(path);
    const seen = new Set<string>();
    for (let at = 0; at < good.length; at += 1) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      await writeFile(path, bad);
      const code = await codeOf(fileStore({ path, key }).read());
      seen.add(code);
      // Another version, or the id of another key: the file may be good, and stays.
      const kept = code === 'STORE_CORRUPT' ? asideOf(await readdir(folder)) : path;
      expect(await readFile(kept === path ? path : join(folder, kept))).toEqual(bad);
      if (kept !== path) await rm(join(folder, kept));
    }
    expect([...seen].sort()).toEqual(['STORE_CORRUPT', 'STORE_KEY_WRONG', 'STORE_VERSION_UNKNOWN']);
  });

  it.each([0, 8, 28, 44, 60])('is set aside when it was cut after %i bytes', async (length) => {
    await fileStore({ path, key }).update(withKey(SECRET));
    await writeFile(path, (await readFile(path)).subarray(0, length));
    const store = fileStore({ path, key });
    expect(await codeOf(store.update(withKey('new')))).toBe('STORE_CORRUPT');
    expect(asideOf(await readdir(folder))).toMatch(/^store\.corrupt-/);
    expect((await store.update(withKey('new'))).licenseKey).toBe('new');
  });

  it('is written anew by a process that knew what was in it', async () => {
    const store = fileStore({ path, key });
    await store.update(withKey(SECRET));
    await store.read();
    await writeFile(path, 'not a store');
    expect(await codeOf(store.read())).toBe('STORE_CORRUPT');
    expect((await store.read()).licenseKey).toBe(SECRET);
    expect((await fileStore({ path, key }).read()).licenseKey).toBe(SECRET);
  });

  it('stays where it is when the key is another one', async () => {
    await fileStore({ path, key }).update(withKey(SECRET));
    const other = fileStore({ path, key: randomBytes(32) });
    expect(await codeOf(other.read())).toBe('STORE_KEY_WRONG');
    expect(await codeOf(other.update(withKey('new')))).toBe('STORE_KEY_WRONG');
    expect((await fileStore({ path, key }).read()).licenseKey).toBe(SECRET);
  });

  it.each([randomBytes(31), '', 'c2hvcnQ='])('takes no key of another length: %#', async (bad) => {
    expect(await codeOf(fileStore({ path, key: bad }).read())).toBe('OPTION_INVALID');
  });

  describe('under a key from a file', () => {
    it('makes the key once, for its owner only, also when several processes begin at the same time', async () => {
      const keyFile = join(folder, 'elsewhere', 'key');
      const stores = Array.from({ length: 8 }, () => fileStore({ path, keyFile }));
      await Promise.all(stores.map((store, index) => store.update(withKey(String(index)))));
      expect((await lstat(keyFile)).mode & 0o777).toBe(0o600);
      expect(await readdir(join(folder, 'elsewhere'))).toEqual(['key']);
      await fileStore({ path, keyFile }).read();
    });

    it.each([0o640, 0o604, 0o620, 0o601])('refuses one of mode %o', async (mode) => {
      const keyFile = join(folder, 'key');
      await fileStore({ path, keyFile }).update(withKey(SECRET));
      await chmod(keyFile, mode);
      expect(await codeOf(fileStore({ path, keyFile }).read())).toBe('STORE_KEY_UNSAFE');
    });

    // Only root can give a file away.
    const asRoot = process.getuid?.() === 0 ? it : it.skip;
    asRoot('refuses one of another user, who knows it', async () => {
      const keyFile = join(folder, 'key');
      await fileStore({ path, keyFile }).update(withKey(SECRET));
      await chown(keyFile, 12_345, 12_345);
      expect(await codeOf(fileStore({ path, keyFile }).read())).toBe('STORE_KEY_UNSAFE');
    });

    it('refuses one that is the store itself, also under another name', async () => {
      const keyFile = join(folder, 'key');
      await writeFile(keyFile, key.toString('base64'), { mode: 0o600 });
      await link(keyFile, path);
      for (const name of [keyFile, path]) {
        expect(await codeOf(fileStore({ path, keyFile: name }).read())).toBe('STORE_KEY_UNSAFE');
      }
    });

    it('makes no new one for a store that only the lost one opens', async () => {
      const keyFile = join(folder, 'key');
      await fileStore({ path, keyFile }).update(withKey(SECRET));
      await rm(keyFile);
      expect(await codeOf(fileStore({ path, keyFile }).read())).toBe('STORE_KEY_MISSING');
      expect(await readdir(folder)).toEqual(['store']);
    });
  });

  it('gets past the lock of a process that is gone, also when its pid lives again', async () => {
    const store = fileStore({ path, key });
    const lock = `${path}.lock`;
    for (const owner of ['999999999/1', `${process.pid}/1`]) {
      await symlink(`${hostname()}/${owner}/${randomUUID()}`, lock);
      await store.update(withKey(owner));
      expect(await readdir(folder)).toEqual(['store']);
    }
  });
});

async function codeOf(refused: Promise<unknown>): Promise<string> {
  const error: unknown = await refused.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return String(Reflect.get(Object(error) as object, 'code'));
}

function asideOf(names: readonly string[]): string {
  return names.find((name) => name.includes('.corrupt-')) ?? '';
}
