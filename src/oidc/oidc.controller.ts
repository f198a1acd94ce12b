import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { keySetMaxAgeSeconds } from '../domain/key-set-max-age.js';
import { type KeySetDocument, newestKidOf } from '../domain/published-document.js';
import { Clock } from '../platform/clock.js';
import { databaseAway } from '../database/away.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { KeySetFetches } from '../signing-keys/key-set-fetches.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';
import { renderJson, type RenderedDocument, sendDocument } from './rendered-document.js';

const KEY_SET_PATH = 'oauth/discovery/keys';

interface RenderedKeySet {
  readonly of: KeySetDocument;
  readonly rendered: RenderedDocument;
  readonly newestKid: string | undefined;
}

/**
 * Serves the two documents that validators fetch. They come from memory, even without the database:
 * validators cache a failed answer for a day too.
 */
@ApiExcludeController()
@Controller()
export class OidcController {
  private readonly discovery: RenderedDocument;
  private keySet: RenderedKeySet | null = null;
  private readonly cacheSeconds: number;

  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly fetches: KeySetFetches,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    // OpenID Connect Discovery 1.0 section 3 has more members, which have no meaning here.
    this.discovery = renderJson({
      issuer: config.issuerUrl,
      jwks_uri: `${config.issuerUrl}/${KEY_SET_PATH}`,
      id_token_signing_alg_values_supported: ['RS256'],
    });
    this.cacheSeconds = config.jwksCacheSeconds;
  }

  @Get('.well-known/openid-configuration')
  readDiscovery(@Res() reply: FastifyReply): void {
    sendDocument(this.discovery, this.maxAgeSeconds(this.clock.now()), reply);
  }

  @Get(KEY_SET_PATH)
  readKeySet(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { rendered, newestKid } = this.renderedKeySet();
    const now = this.clock.now();
    sendDocument(rendered, this.maxAgeSeconds(now), reply);
    if (request.method !== 'GET' || newestKid === undefined) return;
    this.fetches.note(newestKid, request.headers['user-agent'], request.clientAddress, now);
  }

  /** Renders each key set once. */
  private renderedKeySet(): RenderedKeySet {
    const document = this.signingKeys.published();
    // Validators would cache an empty key set.
    if (document === null) throw databaseAway();
    if (this.keySet?.of !== document) {
      const newestKid = newestKidOf(document);
      this.keySet = { of: document, rendered: renderJson(document), newestKid };
    }
    return this.keySet;
  }

  private maxAgeSeconds(now: Date): number {
    return keySetMaxAgeSeconds({
      nextChangeAt: this.signingKeys.nextChangeAt(now),
      cacheSeconds: this.cacheSeconds,
      now,
      jitter: Math.random(),
    });
  }
}
