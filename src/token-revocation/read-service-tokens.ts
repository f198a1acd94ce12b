import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import type { PageRequest } from '../database/page.js';
import {
  type RecordedToken,
  RecordedTokens,
  type TokenFilter,
  type TokenPage,
} from '../ledger/recorded-tokens.js';
import type { ServiceTokenRevocationEntity } from './service-token-revocation.entity.js';
import { ServiceTokenRevocationRepository } from './service-token-revocation.repository.js';

export interface TokenDetail {
  readonly token: RecordedToken;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  /** Null for a token that is not revoked. */
  readonly revocation: ServiceTokenRevocationEntity | null;
}

/** Reads issued tokens in the ledger. */
@Injectable()
export class ReadServiceTokens {
  constructor(
    private readonly database: Database,
    private readonly tokens: RecordedTokens,
    private readonly revocations: ServiceTokenRevocationRepository,
    private readonly clock: Clock,
  ) {}

  /** @throws {IssuerError} NOT_FOUND */
  async get(jti: string): Promise<TokenDetail> {
    const { manager } = this.database;
    const token = await this.tokens.get(manager, jti);
    const { scopes, audiences } = await this.tokens.scopesOf(manager, jti);
    return {
      token,
      scopes,
      audiences,
      revocation: await this.revocations.thatRevoked(manager, token),
    };
  }

  async list(filter: TokenFilter, { after, perPage }: PageRequest): Promise<TokenPage> {
    const { manager } = this.database;
    const last = after?.toLowerCase() ?? null;
    return this.tokens.list(manager, filter, last, perPage, this.clock.now());
  }
}
