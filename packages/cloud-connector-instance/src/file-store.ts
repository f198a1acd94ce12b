import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf, InstanceClientError } from './errors.js';
import { type FileLock, lockFile } from './file-lock.js';
import { corrupt, seal, unseal } from './sealed-state.js';
import { keyFromFile, keyOf } from './store-key.js';
import { EMPTY_STATE, parseState, type StoredState } from './stored-state.js';
import type { TokenStore } from './token-store.js';
import { syncFolder, writeDraft } from './write-whole.js';

/** The key is 32 bytes (or these in base64), or in a file of mode 0600 that lies elsewhere. */
export type FileStoreOptions =
  | { readonly path: string; readonly key: Uint8Array | string; readonly keyFile?: never }
  | { readonly path: string; readonly keyFile: string; readonly key?: never };

/**
 * A file, sealed with AES-256-GCM and replaced as a whole: whenever the machine or the process dies,
 * the file is the old state or the new one. Any number of processes may share it. The key file is
 * made when absent. A file that cannot be opened is set aside (`<path>.corrupt-<uuid>`), never
 * overwritten. For Linux and macOS, on a local file system.
 * @throws {InstanceClientError} from `read` and `update`: the STORE_ codes and OPTION_INVALID
 */
export function fileStore(options: FileStoreOptions): TokenStore {
  const path = resolve(options.path);
  const store = new FileStore(path, options);
  return {
    read: () => withCode(path, store.read()),
    update: (change) => withCode(path, store.update(change)),
  };
}

/** A folder in the file's place, a full disk, a folder that nobody may enter. */
async function withCode<Result>(path: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const errno = error instanceof InstanceClientError ? null : errnoOf(error);
    if (errno === null) throw error;
    throw new InstanceClientError('STORE_UNUSABLE', `the store ${path} cannot be used: ${errno}`);
  }
}

interface Cached {
  /** Of the file that was read: a file that takes its place is another one. */
  readonly identity: string;
  readonly state: StoredState;
}

class FileStore implements TokenStore {
  private key: Promise<Buffer> | null = null;
  private cached: Cached | null = null;

  constructor(
    private readonly path: string,
    private readonly options: FileStoreOptions,
  ) {}

  async read(): Promise<StoredState> {
    const key = await this.keyOnce();
    try {
      return (await this.load(key)).state;
    } catch (error) {
      if (!isCorrupt(error)) throw error;
    }
    // Nobody replaces it while it is looked at again.
    return this.locked(async () => (await this.loadOrSetAside(key)).state);
  }

  async update(change: (state: StoredState) => StoredState): Promise<StoredState> {
    const key = await this.keyOnce();
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    for (;;) {
      const written = await this.locked(async (lock) => {
        await this.removeDrafts();
        const { identity, state } = await this.loadOrSetAside(key);
        const changed = change(state);
        if (changed === state) return state;
        return (await this.replace(seal(key, JSON.stringify(changed)), lock, identity))
          ? changed
          : null;
      });
      if (written) return written;
    }
  }

  private async load(key: Buffer): Promise<Cached> {
    const identity = await identityOf(this.path);
    if (identity === ABSENT) return { identity, state: EMPTY_STATE };
    if (this.cached?.identity === identity) return this.cached;
    const sealed = await contentOf(this.path);
    if (!sealed) return { identity: ABSENT, state: EMPTY_STATE };
    const state = parseState(unseal(key, sealed));
    if (!state) throw corrupt();
    // Replaced between the two looks: the content is good, but whose it is is not known.
    if ((await identityOf(this.path)) === identity) this.cached = { identity, state };
    return { identity, state };
  }

  /** The damage is told once; what this process knew before goes into a file of its own. */
  private async loadOrSetAside(key: Buffer): Promise<Cached> {
    const known = this.cached?.state;
    try {
      return await this.load(key);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
    }
    const aside = `${this.path}.corrupt-${randomUUID()}`;
    await rename(this.path, aside);
    await syncFolder(this.path);
    if (known) await rename(await this.draftOf(seal(key, JSON.stringify(known))), this.path);
    const then = known ? 'what this process knew is stored again' : 'the store begins anew';
    throw new InstanceClientError(
      'STORE_CORRUPT',
      `the store was damaged or tampered with: it is kept as ${aside}, and ${then}`,
    );
  }

  /** False when this process stood still for so long that another one took over. */
  private async replace(sealed: Buffer, lock: FileLock, identity: string): Promise<boolean> {
    const draft = await this.draftOf(sealed);
    if (!(await lock.isHeld()) || (await identityOf(this.path)) !== identity) {
      await rm(draft, { force: true });
      return false;
    }
    try {
      await rename(draft, this.path);
    } catch (error) {
      // The one that took over clears drafts away.
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await syncFolder(this.path);
    return true;
  }

  private async draftOf(sealed: Buffer): Promise<string> {
    const draft = `${this.path}.draft-${randomUUID()}`;
    await writeDraft(draft, sealed);
    return draft;
  }

  /** Whoever wrote them is gone, or lost the lock: only its holder writes. */
  private async removeDrafts(): Promise<void> {
    const folder = dirname(this.path);
    const prefix = `${basename(this.path)}.draft-`;
    const drafts = (await readdir(folder)).filter((name) => name.startsWith(prefix));
    await Promise.all(drafts.map((name) => rm(join(folder, name), { force: true })));
  }

  private async locked<T>(work: (lock: FileLock) => Promise<T>): Promise<T> {
    const lock = await lockFile(`${this.path}.lock`);
    try {
      return await work(lock);
    } finally {
      await lock.release();
    }
  }

  private keyOnce(): Promise<Buffer> {
    this.key ??= this.readKey().catch((error: unknown) => {
      this.key = null;
      throw error;
    });
    return this.key;
  }

  private async readKey(): Promise<Buffer> {
    const { key, keyFile } = this.options;
    if (key !== undefined) return keyOf(key);
    if (resolve(keyFile) === this.path) {
      throw new InstanceClientError('STORE_KEY_UNSAFE', 'the key cannot lie in the store itself');
    }
    return keyFromFile(keyFile, this.path);
  }
}

const ABSENT = 'absent';

function isCorrupt(error: unknown): boolean {
  return error instanceof InstanceClientError && error.code === 'STORE_CORRUPT';
}

async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs].join(':');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ABSENT;
    throw error;
  }
}

async function contentOf(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
