import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Callers } from '../access-control/callers.js';
import { Networks } from '../platform/ip-network.js';
import { Metrics } from '../platform/metrics.js';
import { Readiness, type ReadinessReport } from './readiness.js';

/** Headers that proxies, gateways and tunnels add. */
const PROXY_HEADER = /forwarded|^via$|^cdn-loop$|^cf-|^x-envoy-|-\w*ip$/;
const LOOPBACK = new Networks(['127.0.0.0/8', '::1']);
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/i;

const ADVICE = 'From outside the loopback interface, the metrics need an API token.';

@ApiExcludeController()
@Controller('-')
export class ProbesController {
  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
    private readonly callers: Callers,
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
    if (!cameFromLoopback(request)) await this.callers.identify(request, ADVICE);
    void reply
      .header('content-type', this.metrics.registry.contentType)
      .send(await this.metrics.registry.metrics());
  }
}

/**
 * A proxy on the same host also connects from the loopback interface. It is one when `TRUSTED_PROXIES` names it, when
 * it adds a header, or when it passes on the `Host` that a client asked for.
 */
function cameFromLoopback({ headers, isProxied, clientAddress }: FastifyRequest): boolean {
  if (isProxied || Object.keys(headers).some((name) => PROXY_HEADER.test(name))) return false;
  return LOOPBACK_HOST.test(headers.host ?? '') && LOOPBACK.include(clientAddress ?? '');
}
