import { createHash } from 'node:crypto';
import type { Pool, QueryResultRow } from 'pg';
import { codeOf } from '../platform/code-of.js';

/** A statement that is parsed and planned once per connection. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/**
 * Names a statement by its text. Behind a pooler, replicas of two versions may share a connection of the
 * server, so one name must never mean two texts.
 */
export function preparedStatement(purpose: string, text: string): PreparedStatement {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { name: `${purpose}_${digest}`, text };
}

/** invalid_sql_statement_name and duplicate_prepared_statement, both raised before the statement runs. */
const PREPARED_ELSEWHERE = new Set(['26000', '42P05']);

/**
 * Runs named statements. A pooler in transaction mode may not support them (PgBouncer before 1.21, or
 * with `max_prepared_statements = 0`): it sends the statements of a client to any connection, where the
 * name may be unknown or taken. From then on the statements run without names.
 */
export class PreparedStatements {
  private named = true;

  constructor(private readonly pool: Pool) {}

  async run<Row extends QueryResultRow>(
    { name, text }: PreparedStatement,
    values: readonly unknown[],
  ): Promise<Row[]> {
    const unnamed = { text, values: [...values] };
    if (this.named) {
      try {
        return (await this.pool.query<Row>({ name, ...unnamed })).rows;
      } catch (error) {
        if (!PREPARED_ELSEWHERE.has(codeOf(error) ?? '')) throw error;
        this.named = false;
      }
    }
    return (await this.pool.query<Row>(unnamed)).rows;
  }
}
