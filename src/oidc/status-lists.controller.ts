import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Clock } from '../platform/clock.js';
import { IssuerError } from '../platform/issuer-error.js';
import {
  STATUS_LIST_TTL_SECONDS,
  type StatusList,
  StatusLists,
} from '../token-revocation/status-lists.js';
import { rendered, sendDocument } from './rendered-document.js';

const CONTENT_TYPE = 'application/statuslist+jwt';
const LIST_NUMBER = /^(0|[1-9]\d{0,8})$/;

/** Serves the status lists, which show validators the revoked tokens. */
@ApiExcludeController()
@Controller()
export class StatusListsController {
  constructor(
    private readonly statusLists: StatusLists,
    private readonly clock: Clock,
  ) {}

  @Get('status/:list_id')
  async read(@Param('list_id') id: string, @Res() reply: FastifyReply): Promise<void> {
    // A failure must not be cached.
    void reply.header('cache-control', 'no-store');
    const list = LIST_NUMBER.test(id) ? await this.statusLists.list(Number(id)) : null;
    if (list === null) throw new IssuerError('NOT_FOUND', 'There is no status list here.');
    sendDocument(rendered(CONTENT_TYPE, list.jwt), this.maxAgeSeconds(list), reply);
  }

  private maxAgeSeconds({ expiresAt }: StatusList): number {
    const left = Math.floor((expiresAt.getTime() - this.clock.now().getTime()) / 1000);
    return Math.max(0, Math.min(STATUS_LIST_TTL_SECONDS, left));
  }
}
