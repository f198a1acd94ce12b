import { EMPTY_STATE, type StoredState } from './stored-state.js';

/** Where a client keeps what must survive. Bring your own for a database or a secret store. */
export interface TokenStore {
  /** What is stored; `EMPTY_STATE` before the first update. */
  read(): Promise<StoredState>;
  /**
   * Replaces the state by what `change` makes of the newest one, and resolves once that is durable.
   * No update of anybody else may come between: lock, or compare and swap. `change` is pure and may
   * be called more than once.
   * @returns the state that was stored
   */
  update(change: (state: StoredState) => StoredState): Promise<StoredState>;
}

/** A store that is gone with its process: for tests, and where a sync at every start is fine. */
export function memoryStore(initial: StoredState = EMPTY_STATE): TokenStore {
  let state = initial;
  return {
    read: () => Promise.resolve(state),
    update: (change) => Promise.resolve((state = change(state))),
  };
}
