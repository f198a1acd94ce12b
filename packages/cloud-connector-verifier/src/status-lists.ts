import type { TrustedIssuer } from './discovery.js';
import { TokenRefused } from './refusal.js';
import { SingleFlight } from './single-flight.js';
import {
  fetchStatusList,
  type StatusList,
  type StatusListSource,
  statusReference,
} from './status-list.js';

/** A status list that a token needs is not available. */
export interface StatusListEvent {
  readonly type: 'status_list_unavailable';
  readonly issuer: string;
  readonly uri: string;
  readonly reason: string;
}

export interface StatusListsOptions extends StatusListSource {
  readonly issuer: TrustedIssuer;
  readonly cooldownMs: number;
  readonly whenUnavailable: 'accept' | 'refuse';
  readonly onEvent: (event: StatusListEvent) => void;
}

interface Entry {
  /** The last good answer; null: none so far. */
  list: StatusList | null;
  readonly refresh: SingleFlight;
}

/** A list has a million tokens in 128 KiB. Beyond this number, the least recently used list is dropped. */
const MAX_LISTS = 128;

/** The status lists of one issuer that its tokens refer to. */
export class StatusLists {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly options: StatusListsOptions) {}

  /** @throws TokenRefused TOKEN_REVOKED, STATUS_REFERENCE_INVALID, STATUS_UNAVAILABLE */
  async check(statusClaim: unknown): Promise<void> {
    const { issuer, whenUnavailable } = this.options;
    const reference = statusReference(statusClaim, issuer);
    if (reference === undefined) return;
    if (reference === null)
      throw invalid('the token does not refer to a status list of its issuer');
    const list = await this.current(reference.uri);
    if (list === null) {
      // A revocation is final, even after the list has expired.
      if (this.wasRevoked(reference)) {
        throw new TokenRefused('TOKEN_REVOKED', 'the last available status list has it revoked');
      }
      if (whenUnavailable === 'accept') return;
      throw new TokenRefused('STATUS_UNAVAILABLE', 'the status list is not available');
    }
    const status = list.statusAt(reference.idx);
    if (status === undefined) throw invalid('the status list is too short for the token');
    if (status === 0) return;
    throw new TokenRefused('TOKEN_REVOKED', `the status list has the status ${status} for it`);
  }

  private wasRevoked({ uri, idx }: { readonly uri: string; readonly idx: number }): boolean {
    return (this.entries.get(uri)?.list?.statusAt(idx) ?? 0) !== 0;
  }

  /** A list past its ttl is used until it expires, while no newer one is available. */
  private async current(uri: string): Promise<StatusList | null> {
    const entry = this.entries.get(uri) ?? this.addEntry(uri);
    // Deleting first moves it to the end, so the map stays in order of last use.
    this.entries.delete(uri);
    this.entries.set(uri, entry);
    const nowMs = this.options.clock().getTime();
    const usable = entry.list && nowMs < entry.list.expiresAtMs;
    if (!entry.list || nowMs >= entry.list.freshUntilMs) {
      const refresh = entry.refresh.run();
      // With a usable list, nobody waits for an issuer that has just failed.
      if (!usable || !entry.refresh.failed) await refresh;
    }
    const { list } = entry;
    return list && this.options.clock().getTime() < list.expiresAtMs ? list : null;
  }

  private addEntry(uri: string): Entry {
    const { issuer, clock, cooldownMs, onEvent } = this.options;
    const entry: Entry = {
      list: null,
      refresh: new SingleFlight(
        async () => {
          entry.list = await fetchStatusList(uri, this.options);
        },
        (reason) => {
          onEvent({ type: 'status_list_unavailable', issuer: issuer.issuer, uri, reason });
        },
        clock,
        () => (entry.refresh.failed ? cooldownMs : 0),
      ),
    };
    const [oldest] = this.entries.keys();
    if (oldest !== undefined && this.entries.size >= MAX_LISTS) this.entries.delete(oldest);
    return entry;
  }
}

function invalid(reason: string): TokenRefused {
  return new TokenRefused('STATUS_REFERENCE_INVALID', reason);
}
