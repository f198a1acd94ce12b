import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';

export interface GateLimits {
  /** Requests that are worked on at the same time. */
  readonly slots: number;
  /** Requests that start in one turn of the event loop, so that the turn stays short. */
  readonly startsPerTurn: number;
  /** Requests that wait at the same time. */
  readonly places: number;
  /** How long a request waits before it is turned away. */
  readonly waitMs: number;
}

/**
 * libuv accepts one connection in a turn of the event loop. While work fills the turns, connections wait in
 * the kernel, also those of validators. So no work starts while connections come, except once in this many
 * turns.
 */
const MAX_POSTPONED_TURNS = 512;

export interface Applicant {
  /** Called with a slot, which `leave` gives back: at once, or when its turn comes. */
  readonly admitted: () => void;
  /** Called instead when the line is full, or when no slot came in time. */
  readonly turnedAway: () => void;
}

/**
 * Limits the requests in work: more of them would only make everybody wait. The line is short, and the wait
 * in it too, so that a caller gets "try again" while it still listens.
 */
export class RequestGate {
  private inWork = 0;
  private startsInTurn = 0;
  private postponedTurns = 0;
  private acceptedBefore = 0;
  private endOfTurn: NodeJS.Immediate | null = null;
  /** In the order of arrival. */
  private readonly line = new Map<Applicant, NodeJS.Timeout>();
  /** One guarded function each for all requests. */
  private readonly endTurn: () => void;
  private readonly giveUpWaiting: (applicant: Applicant) => void;

  /** @param accepted how many connections have been accepted so far */
  constructor(
    private readonly limits: GateLimits,
    private readonly accepted: () => number,
    logger: Logger,
  ) {
    this.endTurn = guarded(logger, 'the end of a turn', () => {
      this.endOfTurn = null;
      this.startsInTurn = 0;
      if (this.postpones()) this.atEndOfTurn();
      else this.admitFromLine();
    });
    this.giveUpWaiting = guarded(logger, 'a request that waited', (applicant: Applicant) => {
      this.line.delete(applicant);
      applicant.turnedAway();
    });
  }

  get counts(): { readonly inWork: number; readonly waiting: number } {
    return { inWork: this.inWork, waiting: this.line.size };
  }

  enter(applicant: Applicant): void {
    if (this.line.size === 0 && this.hasRoom() && this.accepted() === this.acceptedBefore) {
      this.admit(applicant);
      return;
    }
    if (this.line.size >= this.limits.places) {
      applicant.turnedAway();
      return;
    }
    const timer = setTimeout(this.giveUpWaiting, this.limits.waitMs, applicant).unref();
    this.line.set(applicant, timer);
    this.atEndOfTurn();
  }

  /** Leaves the line without a call. Does nothing for an applicant that has a slot. */
  giveUp(applicant: Applicant): void {
    clearTimeout(this.line.get(applicant));
    this.line.delete(applicant);
  }

  leave(): void {
    this.inWork -= 1;
    this.atEndOfTurn();
  }

  private hasRoom(): boolean {
    return this.inWork < this.limits.slots && this.startsInTurn < this.limits.startsPerTurn;
  }

  private admit(applicant: Applicant): void {
    this.inWork += 1;
    this.startsInTurn += 1;
    this.atEndOfTurn();
    applicant.admitted();
  }

  private atEndOfTurn(): void {
    this.endOfTurn ??= setImmediate(this.endTurn);
  }

  private postpones(): boolean {
    const accepted = this.accepted();
    const isAccepting = accepted !== this.acceptedBefore;
    this.acceptedBefore = accepted;
    this.postponedTurns = isAccepting ? this.postponedTurns + 1 : 0;
    if (this.postponedTurns <= MAX_POSTPONED_TURNS) return isAccepting;
    this.postponedTurns = 0;
    return false;
  }

  private admitFromLine(): void {
    for (const [applicant, timer] of this.line) {
      if (!this.hasRoom()) return;
      clearTimeout(timer);
      this.line.delete(applicant);
      this.admit(applicant);
    }
  }
}
