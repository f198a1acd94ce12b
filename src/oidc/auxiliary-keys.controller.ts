import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import { RotateAuxiliaryKeys } from '../auxiliary-keys/rotate-auxiliary-keys.js';
import { keySetMaxAgeSeconds } from '../domain/key-set-max-age.js';
import { Clock } from '../platform/clock.js';
import { databaseAway } from '../database/away.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { renderJson, type RenderedDocument, sendDocument } from './rendered-document.js';

/** Publishes the keys that verify status lists and checkpoints. */
@ApiExcludeController()
@Controller()
export class AuxiliaryKeysController {
  private last: { readonly of: object; readonly document: RenderedDocument } | null = null;

  constructor(
    private readonly keys: AuxiliaryKeys,
    private readonly rotation: RotateAuxiliaryKeys,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  @Get('oauth/discovery/auxiliary_keys')
  read(@Res() reply: FastifyReply): void {
    const published = this.keys.published();
    if (published === null) {
      void reply.header('cache-control', 'no-store');
      throw databaseAway();
    }
    if (this.last?.of !== published) this.last = { of: published, document: renderJson(published) };
    const now = this.clock.now();
    const maxAgeSeconds = keySetMaxAgeSeconds({
      nextChangeAt: this.rotation.nextChangeAt(this.keys.timeline(), now),
      cacheSeconds: this.config.jwksCacheSeconds,
      now,
      jitter: Math.random(),
    });
    sendDocument(this.last.document, maxAgeSeconds, reply);
  }
}
