import { Inject, Injectable } from '@nestjs/common';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import { type StatusListClaims, statusListUri } from '../domain/status-list.js';
import { Clock } from '../platform/clock.js';
import { isUnavailable } from '../database/away.js';
import { Database } from '../database/database.js';
import { SharedRun } from '../database/shared-run.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { encodeStatusList } from './encode-status-list.js';
import { hasStatusList, revokedWords } from './revoked-words.js';

const TYP = 'statuslist+jwt';
/** For how long validators may keep a list. */
export const STATUS_LIST_TTL_SECONDS = 300;
/** Validators refuse a list that was read longer ago: it hides what was revoked since. */
const LIFETIME_SECONDS = 4 * 3600;
/** A notification can be lost, so an older list is read again. */
const FRESH_MS = 60_000;
/** After a failure the database is not asked for so long: validators must not wait for it. */
const REST_MS = 5000;
/** A list with the same content stays the same, byte for byte, for half its `ttl`. */
const SAME_MS = (STATUS_LIST_TTL_SECONDS / 2) * 1000;
/** 150 KB each at most. */
const MAX_REMEMBERED = 64;

/** A status list as validators get it. */
export interface StatusList {
  /** A compact JWS. */
  readonly jwt: string;
  readonly expiresAt: Date;
}

interface Remembered {
  list: (StatusList & { readonly lst: string; readonly signedAt: Date }) | null;
  readAt: Date;
  failedAt: Date | null;
  /** How often `outdate` had been called when it was read. */
  changes: number;
  readonly reading: SharedRun;
}

/**
 * Shows validators which tokens are revoked (draft-ietf-oauth-status-list). A list is made when somebody
 * asks for it, and kept in memory. While the database is away nothing can be revoked, and the last list is
 * served until it expires.
 */
@Injectable()
export class StatusLists {
  private readonly remembered = new Map<number, Remembered>();
  private changes = 0;

  constructor(
    private readonly database: Database,
    private readonly keys: AuxiliaryKeys,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) private readonly config: Pick<ServiceConfig, 'issuerUrl'>,
  ) {}

  /** Call it when tokens were revoked: the lists that were read before lack them. */
  outdate(): void {
    this.changes += 1;
  }

  /**
   * The list with this number; null if no token has a place in it.
   * @throws {IssuerError} UNAVAILABLE if it cannot be made, and the one before has expired
   */
  async list(number: number): Promise<StatusList | null> {
    const known = this.remembered.get(number);
    if (known && this.isFresh(known)) return known.list;
    if (!known && !(await hasStatusList(this.database.pool, number))) return null;
    const entry = known ?? this.remember(number);
    if (this.isResting(entry)) return entry.list;
    try {
      await entry.reading.run();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      entry.failedAt = this.clock.now();
      if (!this.isResting(entry)) throw error;
    }
    return entry.list;
  }

  /** Whether the last try has just failed, and the list from before it has not expired. */
  private isResting({ list, failedAt }: Remembered): boolean {
    const now = this.clock.now();
    if (list === null || failedAt === null || list.expiresAt <= now) return false;
    return now.getTime() - failedAt.getTime() < REST_MS;
  }

  private isFresh({ list, readAt, changes }: Remembered): boolean {
    const age = this.clock.now().getTime() - readAt.getTime();
    return list !== null && changes === this.changes && age >= 0 && age < FRESH_MS;
  }

  private remember(number: number): Remembered {
    const [oldest] = this.remembered.keys();
    if (this.remembered.size >= MAX_REMEMBERED && oldest !== undefined) {
      this.remembered.delete(oldest);
    }
    const entry: Remembered = {
      list: null,
      readAt: new Date(0),
      failedAt: null,
      changes: -1,
      reading: new SharedRun(() => this.read(number, entry)),
    };
    this.remembered.set(number, entry);
    return entry;
  }

  private async read(number: number, entry: Remembered): Promise<void> {
    const { changes } = this;
    const now = this.clock.now();
    const words = await revokedWords(this.database.pool, number, now);
    const lst = await encodeStatusList(words);
    const { list } = entry;
    const age = list ? now.getTime() - list.signedAt.getTime() : SAME_MS;
    if (list?.lst !== lst || age < 0 || age >= SAME_MS) {
      entry.list = await this.signed(number, lst, now);
    }
    entry.readAt = now;
    entry.failedAt = null;
    entry.changes = changes;
  }

  private async signed(number: number, lst: string, signedAt: Date): Promise<Remembered['list']> {
    const iat = Math.floor(signedAt.getTime() / 1000);
    const exp = iat + LIFETIME_SECONDS;
    const claims: StatusListClaims = {
      sub: statusListUri(this.config.issuerUrl, number),
      iat,
      exp,
      ttl: STATUS_LIST_TTL_SECONDS,
      status_list: { bits: 1, lst },
    };
    const jwt = await this.keys.sign(TYP, claims);
    return { jwt, lst, signedAt, expiresAt: new Date(exp * 1000) };
  }
}
