import { createHash } from 'node:crypto';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { keySetMaxAgeSeconds } from '../domain/key-set-max-age.js';
import { type KeySetDocument, newestKidOf } from '../domain/published-document.js';
import { Clock } from '../platform/clock.js';
import { databaseAway } from '../platform/database-away.js';
import { sendJson } from '../platform/send-json.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { KeySetFetches } from '../signing-keys/key-set-fetches.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';

const KEY_SET_PATH = 'oauth/discovery/keys';

interface RenderedKeySet {
  readonly of: KeySetDocument;
  readonly rendered: Rendered;
  readonly newestKid: string | undefined;
}

interface Rendered {
  readonly text: string;
  readonly etag: string;
}

/**
 * What validators fetch. Both documents answer from memory, whatever becomes of the database: a
 * validator caches a failed answer for a day like a good one.
 */
@ApiExcludeController()
@Controller()
export class OidcController {
  private readonly discovery: Rendered;
  private keySet: RenderedKeySet | null = null;
  private readonly cacheSeconds: number;

  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly fetches: KeySetFetches,
    private readonly clock: Clock,
    @Inject(SERVICE_CONFIG) config: ServiceConfig,
  ) {
    // OpenID Connect Discovery 1.0 section 3 asks for more; what has no meaning here stays out.
    this.discovery = render({
      issuer: config.issuerUrl,
      jwks_uri: `${config.issuerUrl}/${KEY_SET_PATH}`,
      id_token_signing_alg_values_supported: ['RS256'],
    });
    this.cacheSeconds = config.jwksCacheSeconds;
  }

  @Get('.well-known/openid-configuration')
  readDiscovery(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.send(this.discovery, request, reply, this.clock.now());
  }

  @Get(KEY_SET_PATH)
  readKeySet(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { rendered, newestKid } = this.renderedKeySet();
    const now = this.clock.now();
    this.send(rendered, request, reply, now);
    if (request.method !== 'GET' || newestKid === undefined) return;
    this.fetches.note(newestKid, request.headers['user-agent'], request.ip, now);
  }

  /** Rendered once for each set of keys. */
  private renderedKeySet(): RenderedKeySet {
    const document = this.signingKeys.published();
    // The listener opens once there is a set; an empty one would be cached by validators.
    if (document === null) throw databaseAway();
    if (this.keySet?.of !== document) {
      const newestKid = newestKidOf(document);
      this.keySet = { of: document, rendered: render(document), newestKid };
    }
    return this.keySet;
  }

  private send(
    { text, etag }: Rendered,
    request: FastifyRequest,
    reply: FastifyReply,
    now: Date,
  ): void {
    void reply
      .header('cache-control', this.cacheControl(now))
      .header('etag', etag)
      .header('access-control-allow-origin', '*');
    if (isCurrent(request.headers['if-none-match'], etag)) {
      void reply.code(304).send();
      return;
    }
    sendJson(reply, 200, 'application/json', text);
  }

  private cacheControl(now: Date): string {
    const maxAge = keySetMaxAgeSeconds({
      nextChangeAt: this.signingKeys.nextChangeAt(now),
      cacheSeconds: this.cacheSeconds,
      now,
      jitter: Math.random(),
    });
    return `public, max-age=${maxAge}`;
  }
}

function render(document: object): Rendered {
  const text = JSON.stringify(document);
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
}

/** RFC 9110 section 13.1.2: weak comparison. */
function isCurrent(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}
