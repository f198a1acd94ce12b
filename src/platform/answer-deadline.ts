import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Observable, throwError, timeout } from 'rxjs';
import { millisecondsSinceArrival } from './arrival.js';
import { databaseAway } from './database-away.js';
import { SERVICE_CONFIG, type ServiceConfig } from './service-config.js';

/** Leaves room for the answer itself within the promised time. */
const SHARE_FOR_THE_DATABASE = 0.9;

/** How long a request may wait for the database in all, however many statements it needs. */
export function databaseDeadlineMs(databaseTimeoutMs: number): number {
  return Math.floor(databaseTimeoutMs * SHARE_FOR_THE_DATABASE);
}

/**
 * Answers 503 when the database has let a request wait for too long in all, in guards and handler
 * together. What was waited for is given up later.
 */
@Injectable()
export class AnswerDeadline implements NestInterceptor {
  private readonly milliseconds: number;

  constructor(@Inject(SERVICE_CONFIG) config: ServiceConfig) {
    this.milliseconds = databaseDeadlineMs(config.databaseTimeoutMs);
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const late = {
      first: this.leftOf(context),
      with: () => throwError(() => databaseAway(undefined, 'slow')),
    };
    return next.handle().pipe(timeout(late));
  }

  /** For a guard: interceptors come after it. @throws {IssuerError} UNAVAILABLE */
  async within<Result>(context: ExecutionContext, work: Promise<Result>): Promise<Result> {
    return withinDeadline(work, this.leftOf(context));
  }

  private leftOf(context: ExecutionContext): number {
    const { raw } = context.switchToHttp().getRequest<FastifyRequest>();
    return Math.max(0, this.milliseconds - millisecondsSinceArrival(raw));
  }
}

/** Until when the database may let one request wait; what is later has been answered already. */
export class Deadline {
  private readonly at: number;

  constructor(private readonly milliseconds: number) {
    this.at = performance.now() + milliseconds;
  }

  get isOver(): boolean {
    return performance.now() > this.at;
  }

  /** @throws {IssuerError} UNAVAILABLE when `work` takes longer; its result is nobody's then */
  async holds<Result>(work: Promise<Result>): Promise<Result> {
    return withinDeadline(work, this.milliseconds);
  }
}

async function withinDeadline<Result>(
  work: Promise<Result>,
  milliseconds: number,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(databaseAway(undefined, 'slow'));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
