import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { type Observable, tap } from 'rxjs';
import { isUuid } from '../domain/uuid.js';

/** Whom a request is about, for its line in the log: ids only, never a name or a key. */
export interface RequestSubject {
  licenseId?: string;
  /** The UUID that the instance sends. */
  instanceUuid?: string;
  /** The `id` of the instance in the admin API. */
  instanceId?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    subject?: RequestSubject;
  }
}

/** Notes whom an admin's request is about: by the id in its path, and by the ids in its answer. */
@Injectable()
export class NoteSubject implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const [, room, below] = /^\/api\/v1\/(\w+)(\/:id)?/.exec(request.routeOptions.url ?? '') ?? [];
    const id = below === undefined ? undefined : uuidIn(request.params, 'id');
    const subject: RequestSubject = {};
    request.subject = subject;
    if (room === 'licenses') note(subject, 'licenseId', id);
    if (room === 'instances') note(subject, 'instanceId', id);
    return next.handle().pipe(
      tap((answer: unknown) => {
        note(subject, 'licenseId', uuidIn(answer, 'license_id'));
        // A new license has its id only now.
        if (room === 'licenses' && request.method === 'POST' && below === undefined) {
          note(subject, 'licenseId', uuidIn(answer, 'id'));
        }
        note(subject, 'instanceId', uuidIn(answer, 'instance_id'));
        note(subject, 'instanceUuid', uuidIn(answer, 'instance_uuid'));
      }),
    );
  }
}

function note(subject: RequestSubject, name: keyof RequestSubject, id: string | undefined): void {
  if (id !== undefined) subject[name] = id;
}

function uuidIn(given: unknown, name: string): string | undefined {
  const members = new Map<string, unknown>(Object.entries(Object(given) as object));
  const value = members.get(name);
  return typeof value === 'string' && isUuid(value) ? value : undefined;
}
