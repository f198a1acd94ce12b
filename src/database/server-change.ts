/**
 * A younger connection shows that the address itself leads to such a server: another connection would find
 * the same. So a database that stays read-only does not make every failed write open new connections.
 */
const YOUNG_MS = 200;

/**
 * When a connection finds that its server is not ours any more (a failover), every older connection is
 * given up: it may lead to the old server, which still answers questions.
 */
export class ServerChange {
  private atMs = Number.NEGATIVE_INFINITY;
  private listener: () => void = () => undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Calls `listener` after each change. */
  onChange(listener: () => void): void {
    this.listener = listener;
  }

  /** To be called by a connection, opened at `openedAtMs`, that found its server to be another one now. */
  found(openedAtMs: number): void {
    if (openedAtMs < this.atMs || this.now() - openedAtMs < YOUNG_MS) return;
    this.foundByNewcomer();
  }

  /** To be called when a new connection is not let in by what is at the address now. */
  foundByNewcomer(): void {
    this.atMs = this.now();
    this.listener();
  }

  /** Whether a connection that was opened at `openedAtMs` has to be given up. */
  isSince(openedAtMs: number): boolean {
    return openedAtMs < this.atMs;
  }
}
