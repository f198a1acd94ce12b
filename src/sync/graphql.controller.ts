import { Controller, Post, Req, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { InstanceSightings } from '../instances/instance-sightings.js';
import { AnswerDeadline } from '../http/answer-deadline.js';
import { asIssuerError, INTERNAL } from '../http/error-faces.js';
import { FailedLookUps } from '../http/failed-look-ups.js';
import { sendJson } from '../http/send-json.js';
import type { SyncContext } from './cloud-connector-access.resolver.js';
import { encodeAnswer } from './encode-answer.js';
import { dataOf, readGraphqlRequest } from './graphql-request.js';
import { SyncMetrics } from './sync-metrics.js';

/** `POST /graphql`, in the shapes that GitLab instances of every generation understand. */
@ApiExcludeController()
@Controller()
export class GraphqlController {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly failedLookUps: FailedLookUps,
    private readonly sightings: InstanceSightings,
    private readonly metrics: SyncMetrics,
    private readonly answerDeadline: AnswerDeadline,
  ) {}

  @Post('graphql')
  async answer(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const subject = (request.subject = {});
    const context: SyncContext = {
      headers: request.headers,
      // Computed only when it is needed: behind proxies it takes a while.
      get address() {
        return request.clientAddress;
      },
      deadline: this.answerDeadline.of(request),
      outcome: 'answered',
      subject,
    };
    try {
      sendJson(reply, 200, 'application/json', await this.execute(request, context));
    } catch (error) {
      throw this.refusalOf(error, context);
    }
  }

  private async execute(request: FastifyRequest, context: SyncContext): Promise<Buffer> {
    const { query, variables, operationName } = readGraphqlRequest(request.body);
    const app = this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
    const execution = app.graphql(query, context, variables, operationName);
    const data = await context.deadline.holds(dataOf(query, execution));
    this.count(context, '');
    const { admitted, refusedWith } = context;
    if (refusedWith !== undefined) request.errorCode = refusedWith;
    if (admitted) this.sightings.note({ ...admitted, address: context.address });
    return encodeAnswer({ data });
  }

  private refusalOf(thrown: unknown, context: SyncContext): unknown {
    const error = asIssuerError(thrown) ?? INTERNAL;
    const refusal = this.failedLookUps.limited(error, context.address) ?? error;
    this.count(context, refusal.code, refusal.status >= 500 ? 'failed' : 'denied');
    return refusal === INTERNAL ? thrown : refusal;
  }

  /** Activations are counted by their resolver. */
  private count(context: SyncContext, code: string, outcome: string = context.outcome): void {
    if (context.outcome !== 'activation') this.metrics.syncs.inc({ outcome, code });
  }
}
