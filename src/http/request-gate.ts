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
 * libuv takes one new connection in a turn of the event loop. While work fills the turns, connections wait in the
 * kernel, those of validators among them: so no work starts as long as connections come, but for one turn in so many.
 */
const MAX_POSTPONED_TURNS = 512;

export interface Applicant {
  /** Called with a slot, which `leave` gives back: at once, or when its turn comes. */
  readonly admitted: () => void;
  /** Called instead when there is no place to wait, or when the wait was in vain. */
  readonly turnedAway: () => void;
}

/**
 * Bounds the requests in work. More of them would not be answered sooner: they would only make everybody wait.
 * The line is short in number and in time, so that a caller hears "try again" while it still listens.
 */
export class RequestGate {
  private inWork = 0;
  private startsInTurn = 0;
  private postponedTurns = 0;
  private acceptedBefore = 0;
  private endOfTurn: NodeJS.Immediate | null = null;
  /** The one that has waited longest comes first. */
  private readonly line = new Map<Applicant, NodeJS.Timeout>();

  /** @param accepted how many connections have been accepted so far */
  constructor(
    private readonly limits: GateLimits,
    private readonly accepted: () => number,
    private readonly logger: Logger,
  ) {}

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
    const giveUp = () => {
      this.line.delete(applicant);
      applicant.turnedAway();
    };
    const late = guarded(this.logger, 'a request that waited', giveUp);
    this.line.set(applicant, setTimeout(late, this.limits.waitMs).unref());
    this.atEndOfTurn();
  }

  /** Steps out of the line, unheard. Does nothing with a slot. */
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
    const endTurn = () => {
      this.endOfTurn = null;
      this.startsInTurn = 0;
      if (this.postpones()) this.atEndOfTurn();
      else this.admitFromLine();
    };
    this.endOfTurn ??= setImmediate(guarded(this.logger, 'the end of a turn', endTurn));
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
    for (const [applicant, late] of this.line) {
      if (!this.hasRoom()) return;
      clearTimeout(late);
      this.line.delete(applicant);
      this.admit(applicant);
    }
  }
}
