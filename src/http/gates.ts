import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { guarded } from '../platform/guarded.js';
import type { Logger } from '../platform/logging.js';
import { noteArrival } from './arrival.js';
import { BUSY, refuse, refuseReply } from './bare-answer.js';
import { type Lane, laneOf } from './lane.js';
import { type Applicant, type GateLimits, RequestGate } from './request-gate.js';

type GatedLane = Exclude<Lane, 'documents'>;

/**
 * 32 syncs in work keep two cores and the database busy; all 96 that wait are answered within 0.2 s. In a
 * flood `waitMs` decides: a sync is answered within a second or refused. The lane `others` carries few
 * admins, and strangers without a token.
 */
const LIMITS: Readonly<Record<GatedLane, GateLimits>> = {
  instances: { slots: 32, startsPerTurn: 8, places: 96, waitMs: 700 },
  metrics: { slots: 2, startsPerTurn: 1, places: 8, waitMs: 2000 },
  others: { slots: 16, startsPerTurn: 4, places: 64, waitMs: 2000 },
};

const WARN_EVERY_MS = 10_000;

type Ticket = readonly [lane: GatedLane, request: IncomingMessage, answer: ServerResponse];

/** A gate for each lane but `documents`: a validator would keep a refusal for a day. */
export class Gates {
  readonly turnedAway: Record<GatedLane, number> = { instances: 0, metrics: 0, others: 0 };
  private readonly gates: Readonly<Record<GatedLane, RequestGate>>;
  private warnedAtMs = Number.NEGATIVE_INFINITY;
  /** The gate whose slot a request holds. */
  private readonly slots = new WeakMap<IncomingMessage, RequestGate>();
  /** One guarded function for all requests. */
  private readonly decide: (applicant: Applicant, next: RequestListener, ...ticket: Ticket) => void;

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
    this.decide = guarded(logger, 'a request', (applicant, next, lane, request, answer) => {
      if (request.complete) this.wait(applicant, lane, request, answer);
      else next(request, answer);
    });
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
    // By the next tick a body that came with its headers is parsed. A later body would hold a slot as long as
    // its client likes, so it is read first, and the request waits in `guard`.
    process.nextTick(this.decide, applicant, next, lane, request, answer);
  }

  /** Lets requests wait whose body had to be read first, and takes the slots back. */
  guard(fastify: FastifyInstance): void {
    fastify.addHook('preValidation', (request, reply, done) => {
      const lane = laneOf(request.raw.url ?? '');
      if (lane === 'documents' || this.slots.has(request.raw)) done();
      else {
        const turnedAway = () => {
          refuseReply(BUSY, reply);
        };
        this.wait({ admitted: done, turnedAway }, lane, request.raw, reply.raw);
      }
    });
    // Not after the answer has arrived: a client that does not read it would keep the slot.
    fastify.addHook('onSend', (request, _reply, _payload, done) => {
      this.release(request.raw);
      done();
    });
  }

  /** Not for each request: there may be thousands. */
  private warn(lane: GatedLane): void {
    const now = performance.now();
    if (now - this.warnedAtMs < WARN_EVERY_MS) return;
    this.warnedAtMs = now;
    this.logger.warn({ lane }, 'more requests than can be answered: some are turned away');
  }

  private release(request: IncomingMessage): void {
    this.slots.get(request)?.leave();
    this.slots.delete(request);
  }

  private wait(
    { admitted, turnedAway }: Applicant,
    lane: GatedLane,
    request: IncomingMessage,
    answer: ServerResponse,
  ): void {
    const gate = this.gates[lane];
    const applicant: Applicant = {
      admitted: () => {
        this.slots.set(request, gate);
        admitted();
      },
      turnedAway: () => {
        this.turnedAway[lane] += 1;
        this.warn(lane);
        turnedAway();
      },
    };
    const end = () => {
      gate.giveUp(applicant);
      // Fastify answers an unreadable URL without its hooks. If the answer has not ended, the client hung up:
      // the work for it goes on, and `onSend` is called.
      if (answer.writableEnded) this.release(request);
    };
    answer.once('close', guarded(this.logger, 'close of an answer', end));
    gate.enter(applicant);
  }
}
