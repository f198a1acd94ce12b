import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { type Observable, throwError, timeout } from 'rxjs';
import { databaseAway } from './database-away.js';
import { SERVICE_CONFIG, type ServiceConfig } from './service-config.js';

/** Leaves room for the answer itself within the promised time. */
const SHARE_FOR_THE_DATABASE = 0.9;

/** How long a request may wait for the database in all, however many statements it needs. */
export function databaseDeadlineMs(databaseTimeoutMs: number): number {
  return Math.floor(databaseTimeoutMs * SHARE_FOR_THE_DATABASE);
}

/** Answers 503 when a handler has not come back in time; its statement is given up later. */
@Injectable()
export class AnswerDeadline implements NestInterceptor {
  private readonly milliseconds: number;

  constructor(@Inject(SERVICE_CONFIG) config: ServiceConfig) {
    this.milliseconds = databaseDeadlineMs(config.databaseTimeoutMs);
  }

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next
      .handle()
      .pipe(timeout({ first: this.milliseconds, with: () => throwError(() => databaseAway()) }));
  }
}

/** The same for a promise outside Nest's interceptors. @throws {IssuerError} UNAVAILABLE */
export async function withinDeadline<Result>(
  work: Promise<Result>,
  milliseconds: number,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(databaseAway());
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
