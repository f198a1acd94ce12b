import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AnswerDeadline } from '../http/answer-deadline.js';
import { FailedLookUps } from '../http/failed-look-ups.js';
import { IssuerError } from '../platform/issuer-error.js';
import { ApiTokenLookUp, type Principal } from './api-token-look-up.js';

const BEARER = /^Bearer ([\x21-\x7e]+)$/i;

/** Finds out who sends a request. */
@Injectable()
export class Callers {
  constructor(
    private readonly apiTokens: ApiTokenLookUp,
    private readonly failedLookUps: FailedLookUps,
    private readonly answerDeadline: AnswerDeadline,
  ) {}

  /**
   * @param advice what to send, for a caller without a valid token
   * @throws {IssuerError} UNAUTHENTICATED; RATE_LIMITED after too many wrong tokens from one address; UNAVAILABLE
   */
  async identify(request: FastifyRequest, advice: string): Promise<Principal> {
    const refusal = new IssuerError('UNAUTHENTICATED', advice);
    const token = bearerTokenOf(request);
    if (token === null) throw refusal;
    const deadline = this.answerDeadline.of(request);
    const principal = await deadline.holds(this.apiTokens.principalOf(token, deadline));
    if (principal !== null) return principal;
    throw this.failedLookUps.limited(refusal, request.clientAddress) ?? refusal;
  }
}

/** The bearer token of a request (RFC 6750 section 2.1); null when it carries none. */
function bearerTokenOf({ headers }: FastifyRequest): string | null {
  return BEARER.exec(headers.authorization ?? '')?.[1] ?? null;
}
