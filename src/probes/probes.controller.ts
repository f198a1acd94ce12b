import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bearerTokenOf } from '../access-control/admin-api.js';
import { ApiTokens } from '../access-control/api-tokens.js';
import { addressOf } from '../http/client-address.js';
import { Database } from '../database/database.js';
import { IssuerError } from '../platform/issuer-error.js';
import { Metrics } from '../platform/metrics.js';
import { Readiness, type ReadinessReport } from './readiness.js';

const PROXY_HEADER = /^(?:x-forwarded-.*|forwarded|x-real-ip|via)$/;
const LOOPBACK = /^(127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/;

@ApiExcludeController()
@Controller('-')
export class ProbesController {
  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
    private readonly database: Database,
    private readonly apiTokens: ApiTokens,
  ) {}

  @Get('liveness')
  liveness(): { readonly status: 'alive' } {
    return { status: 'alive' };
  }

  @Get('readiness')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessReport> {
    const report = await this.readiness.report();
    void reply.code(report.status === 'ready' ? 200 : 503);
    return report;
  }

  @Get('metrics')
  async readMetrics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    if (!cameFromLoopback(request)) await this.requireToken(request);
    void reply
      .header('content-type', this.metrics.registry.contentType)
      .send(await this.metrics.registry.metrics());
  }

  private async requireToken(request: FastifyRequest): Promise<void> {
    const token = bearerTokenOf(request);
    if (token !== null && (await this.apiTokens.principalOf(this.database.manager, token))) return;
    throw new IssuerError(
      'UNAUTHENTICATED',
      'From outside the loopback interface, the metrics need an API token.',
    );
  }
}

/** A proxy on the same host also connects from the loopback interface, but it adds headers. */
function cameFromLoopback(request: FastifyRequest): boolean {
  const proxied = Object.keys(request.headers).some((name) => PROXY_HEADER.test(name));
  return !proxied && LOOPBACK.test(addressOf(request));
}
