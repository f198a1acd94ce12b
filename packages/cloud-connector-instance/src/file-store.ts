import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errnoOf, InstanceClientError } from './errors.js';
import { type FileLock, lockFile } from './file-lock.js';
import { corrupt, seal, unseal } from './sealed-state.js';
import { keyFromFile, keyOf } from './store-key.js';
import { EMPTY_STATE, parseState, type StoredState } from './stored-state.js';
import type { TokenStore } from './token-store.js';
import { removeDrafts, syncFolder, writeDraft } from './write-whole.js';

/** The key is 32 bytes (or these in base64), or in a file of mode 0600 in another folder. */
export type FileStoreOptions =
  | { readonly path: string; readonly key: Uint8Array | string; readonly keyFile?: never }
  | { readonly path: string; readonly keyFile: string; readonly key?: never };

/**
 * A file, sealed with AES-256-GCM and replaced as a whole: after a crash it has the old state or the new
 * one. Any number of processes may share it. A missing key file is made. A damaged file is kept as
 * `<path>.corrupt-<uuid>`. For Linux and macOS, on a local file system.
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

/** Errors of the file system, such as a full disk, get a code of their own. */
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
  /** Identifies the file that was read. A file that replaces it is another one. */
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
    // Under the lock nobody replaces it while it is read again.
    return this.locked(async () => (await this.loadOrSetAside(key)).state);
  }

  async update(change: (state: StoredState) => StoredState): Promise<StoredState> {
    const key = await this.keyOnce();
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    for (;;) {
      const written = await this.locked(async (lock) => {
        // Only the holder of the lock writes, so all drafts are abandoned.
        await removeDrafts(this.path);
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
    // If the file was replaced meanwhile, the content may be of another file.
    if ((await identityOf(this.path)) === identity) this.cached = { identity, state };
    return { identity, state };
  }

  /** Reports damage once. What this process knew before is stored in a new file. */
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
    if (known)
      await rename(await writeDraft(this.path, seal(key, JSON.stringify(known))), this.path);
    const then = known
      ? 'the state that this process knew is stored again'
      : 'the store starts empty';
    throw new InstanceClientError(
      'STORE_CORRUPT',
      `the store was damaged or tampered with: it is kept as ${aside}, and ${then}`,
    );
  }

  /** False when this process paused for so long that another one took the lock. */
  private async replace(sealed: Buffer, lock: FileLock, identity: string): Promise<boolean> {
    const draft = await writeDraft(this.path, sealed);
    if (!(await lock.isHeld()) || (await identityOf(this.path)) !== identity) {
      await rm(draft, { force: true });
      return false;
    }
    try {
      await rename(draft, this.path);
    } catch (error) {
      // The process that took the lock has removed the draft.
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await syncFolder(this.path);
    return true;
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
