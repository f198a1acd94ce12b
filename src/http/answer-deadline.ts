import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Observable, throwError, timeout } from 'rxjs';
import { Database } from '../database/database.js';
import { Deadline, databaseDeadlineMs } from '../database/deadline.js';
import { millisecondsSinceArrival } from './arrival.js';
import { databaseAway } from '../database/away.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/**
 * Answers 503 when a request has waited too long for the database, in guards and handler together. The
 * query itself ends later.
 */
@Injectable()
export class AnswerDeadline implements NestInterceptor {
  private readonly milliseconds: number;

  constructor(
    private readonly database: Database,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    this.milliseconds = databaseDeadlineMs(config.databaseTimeoutMs);
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const late = {
      first: this.leftOf(requestOf(context)),
      with: () => throwError(() => databaseAway(undefined, this.database.whyLate())),
    };
    return next.handle().pipe(timeout(late));
  }

  /** For a guard, or an endpoint that waits for the database itself. The time before its turn counts, too. */
  of(request: FastifyRequest): Deadline {
    return new Deadline(this.leftOf(request), () => this.database.whyLate());
  }

  private leftOf({ raw }: FastifyRequest): number {
    return Math.max(0, this.milliseconds - millisecondsSinceArrival(raw));
  }
}

function requestOf(context: ExecutionContext): FastifyRequest {
  return context.switchToHttp().getRequest<FastifyRequest>();
}
