import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DatabaseMetrics } from '../database/database-metrics.js';
import { Database } from '../database/database.js';
import type { Deadline } from '../database/deadline.js';
import { preparedStatement } from '../database/prepared-statements.js';
import { SharedBatches } from '../database/shared-batches.js';
import type { ApiTokenEntity } from './api-token.entity.js';

/** Who sends a request. */
export interface Principal {
  readonly apiTokenId: string;
  readonly name: string;
  readonly role: ApiTokenEntity['role'];
}

interface Row extends Pick<ApiTokenEntity, 'id' | 'name' | 'role' | 'digest'> {
  /** The number of the question that the row answers, from 1 on. */
  readonly n: number;
}

/** One at a time: a flood of wrong tokens takes one connection. */
const BATCHES = { concurrent: 1, items: 200 };

const API_TOKEN_LOOK_UP = preparedStatement(
  'api_token_look_up',
  `
    SELECT asked.n::int AS n, t.id, t.name, t.role, t.digest
    FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (digest, n)
    JOIN api_tokens t ON t.digest = asked.digest`,
);

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/**
 * Looks up the bearer tokens of admins. Requests that come together share one statement, on the pool of the syncs: a
 * flood of wrong tokens takes none of the admins' few connections.
 */
@Injectable()
export class ApiTokenLookUp {
  private readonly lookUps = new SharedBatches<Buffer, Principal | null>(
    (digests) => this.metrics.timeStatement('api_token_look_up', () => this.look(digests)),
    BATCHES,
  );

  constructor(
    private readonly database: Database,
    private readonly metrics: DatabaseMetrics,
  ) {}

  async principalOf(token: string, deadline: Deadline): Promise<Principal | null> {
    return this.lookUps.add(digestOf(token), deadline);
  }

  private async look(digests: readonly Buffer[]): Promise<(Principal | null)[]> {
    const rows = await this.database.prepared.run<Row>(API_TOKEN_LOOK_UP, [digests]);
    const byNumber = new Map(rows.map((row) => [row.n, row]));
    return digests.map((digest, index) => {
      const found = byNumber.get(index + 1);
      // The index compares digests, and not in constant time. This comparison is, and decides.
      if (!found || !timingSafeEqual(found.digest, digest)) return null;
      return { apiTokenId: found.id, name: found.name, role: found.role };
    });
  }
}
