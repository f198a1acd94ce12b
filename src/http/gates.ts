import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { noteArrival } from './arrival.js';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';
import { BUSY, refuse, refuseReply } from './bare-answer.js';
import { type Lane, laneOf } from './lane.js';
import { type Applicant, type GateLimits, RequestGate } from './request-gate.js';

type GatedLane = Exclude<Lane, 'documents'>;

/**
 * 32 syncs keep two cores and the database busy. The line holds what is answered within a fifth of a second then. The
 * time bounds it under a flood, so that no sync is answered later than after a second. Admins are few; strangers without a token are among the others.
 */
const LIMITS: Readonly<Record<GatedLane, GateLimits>> = {
  instances: { slots: 32, startsPerTurn: 8, places: 96, waitMs: 700 },
  metrics: { slots: 2, startsPerTurn: 1, places: 8, waitMs: 2000 },
  others: { slots: 16, startsPerTurn: 4, places: 64, waitMs: 2000 },
};

const TELL_EVERY_MS = 10_000;

/** A gate for each lane that has one. Documents pass by: a validator keeps a refusal for a day. */
export class Gates {
  readonly turnedAway: Record<GatedLane, number> = { instances: 0, metrics: 0, others: 0 };
  private readonly gates: Readonly<Record<GatedLane, RequestGate>>;
  private toldAtMs = Number.NEGATIVE_INFINITY;
  /** The gate whose slot a request holds. */
  private readonly slots = new WeakMap<IncomingMessage, RequestGate>();

  /** @param accepted how many connections have been accepted so far */
  constructor(
    accepted: () => number,
    private readonly logger: Logger,
  ) {
    this.gates = {
      instances: new RequestGate(LIMITS.instances, accepted, logger),
      metrics: new RequestGate(LIMITS.metrics, accepted, logger),
      others: new RequestGate(LIMITS.others, accepted, logger),
    };
  }

  counts(lane: GatedLane): RequestGate['counts'] {
    return this.gates[lane].counts;
  }

  /** Hands the request on when its turn comes, or answers 503 before any work is spent on it. */
  pass(
    request: IncomingMessage,
    answer: ServerResponse,
    requestId: () => string,
    next: RequestListener,
  ): void {
    const lane = laneOf(request.url ?? '');
    if (lane === 'documents') {
      next(request, answer);
      return;
    }
    noteArrival(request);
    const applicant = {
      admitted: () => {
        next(request, answer);
      },
      turnedAway: () => {
        refuse(BUSY, request, answer, requestId(), this.logger);
      },
    };
    const pass = () => {
      if (request.complete) this.wait(lane, request, answer, applicant);
      else next(request, answer);
    };
    // By then a body that came together with its headers has been parsed. One that has not would keep a slot for
    // as long as its client likes: it is read first, and waits in `guard`.
    process.nextTick(guarded(this.logger, 'a request', pass));
  }

  /** Lets those wait whose body had to be read first, and takes the slots back. */
  guard(fastify: FastifyInstance): void {
    fastify.addHook('preValidation', (request, reply, done) => {
      const lane = laneOf(request.raw.url ?? '');
      if (lane === 'documents' || this.slots.has(request.raw)) done();
      else {
        this.wait(lane, request.raw, reply.raw, {
          admitted: done,
          turnedAway: () => {
            refuseReply(BUSY, reply);
          },
        });
      }
    });
    // Not when the answer has arrived: a client that does not read it would keep the slot.
    fastify.addHook('onSend', (request, _reply, _payload, done) => {
      this.release(request.raw);
      done();
    });
  }

  /** Not for each request: they come in thousands. */
  private tell(lane: GatedLane): void {
    const now = performance.now();
    if (now - this.toldAtMs < TELL_EVERY_MS) return;
    this.toldAtMs = now;
    this.logger.warn({ lane }, 'more requests than can be answered: some are turned away');
  }

  private release(request: IncomingMessage): void {
    this.slots.get(request)?.leave();
    this.slots.delete(request);
  }

  private wait(
    lane: GatedLane,
    request: IncomingMessage,
    answer: ServerResponse,
    { admitted, turnedAway }: Applicant,
  ): void {
    const gate = this.gates[lane];
    const applicant: Applicant = {
      admitted: () => {
        this.slots.set(request, gate);
        admitted();
      },
      turnedAway: () => {
        this.turnedAway[lane] += 1;
        this.tell(lane);
        turnedAway();
      },
    };
    const end = () => {
      gate.giveUp(applicant);
      // Fastify answers a URL that it cannot read without its hooks. An answer that is not ended yet belongs to a
      // client that hung up: the work for it goes on, and `onSend` comes.
      if (answer.writableEnded) this.release(request);
    };
    answer.once('close', guarded(this.logger, 'close of an answer', end));
    gate.enter(applicant);
  }
}
