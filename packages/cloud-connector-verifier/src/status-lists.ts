import type { TrustedIssuer } from './discovery.js';
import { TokenRefused } from './refusal.js';
import { SingleFlight } from './single-flight.js';
import {
  fetchStatusList,
  type StatusList,
  type StatusListSource,
  statusReference,
} from './status-list.js';

/** A list that can't be had when a token needs it. */
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

interface KnownList {
  list: StatusList | null;
  readonly refresh: SingleFlight;
}

/**
 * A list tells of a million tokens in 128 KiB. Beyond so many, the one that was not asked for the longest
 * goes.
 */
const MAX_LISTS = 128;

/** The status lists of one issuer, as its tokens refer to them. */
export class StatusLists {
  private readonly known = new Map<string, KnownList>();

  constructor(private readonly options: StatusListsOptions) {}

  /** @throws TokenRefused TOKEN_REVOKED, STATUS_REFERENCE_INVALID, STATUS_UNAVAILABLE */
  async check(statusClaim: unknown): Promise<void> {
    const { issuer, whenUnavailable } = this.options;
    const reference = statusReference(statusClaim, issuer);
    if (reference === undefined) return;
    if (reference === null)
      throw invalid('the status of the token refers to no list of its issuer');
    const list = await this.current(reference.uri);
    if (list === null) {
      // A revocation is for good, whatever became of the list that told of it.
      if (this.wasRevoked(reference)) {
        throw new TokenRefused('TOKEN_REVOKED', 'the last status list that was had refuses it');
      }
      if (whenUnavailable === 'accept') return;
      throw new TokenRefused('STATUS_UNAVAILABLE', 'the status list can not be had');
    }
    const status = list.statusAt(reference.idx);
    if (status === undefined) throw invalid('the status list has no place for the token');
    if (status === 0) return;
    throw new TokenRefused('TOKEN_REVOKED', `the status list has the status ${status} for it`);
  }

  private wasRevoked({ uri, idx }: { readonly uri: string; readonly idx: number }): boolean {
    return (this.known.get(uri)?.list?.statusAt(idx) ?? 0) !== 0;
  }

  /** A list past its ttl is used while no newer one can be had, until it expires. */
  private async current(uri: string): Promise<StatusList | null> {
    const known = this.known.get(uri) ?? this.know(uri);
    // Deleting first moves it to the end, so the map stays in order of last use.
    this.known.delete(uri);
    this.known.set(uri, known);
    const nowMs = this.options.clock().getTime();
    const usable = known.list && nowMs < known.list.expiresAtMs;
    if (!known.list || nowMs >= known.list.freshUntilMs) {
      const refresh = known.refresh.run();
      // An issuer that was away a moment ago does not make anybody wait who has a list.
      if (!usable || !known.refresh.failed) await refresh;
    }
    const { list } = known;
    return list && this.options.clock().getTime() < list.expiresAtMs ? list : null;
  }

  private know(uri: string): KnownList {
    const { issuer, clock, cooldownMs, onEvent } = this.options;
    const known: KnownList = {
      list: null,
      refresh: new SingleFlight(
        async () => {
          known.list = await fetchStatusList(uri, this.options);
        },
        (reason) => {
          onEvent({ type: 'status_list_unavailable', issuer: issuer.issuer, uri, reason });
        },
        clock,
        () => (known.refresh.failed ? cooldownMs : 0),
      ),
    };
    const [oldest] = this.known.keys();
    if (oldest !== undefined && this.known.size >= MAX_LISTS) this.known.delete(oldest);
    return known;
  }
}

function invalid(reason: string): TokenRefused {
  return new TokenRefused('STATUS_REFERENCE_INVALID', reason);
}
