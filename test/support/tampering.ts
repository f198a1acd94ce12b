import { Client, type QueryResultRow } from 'pg';
import type { TestIssuer } from './test-issuer.js';

const LEDGER = ['issued_tokens', 'ledger_batches', 'ledger_checkpoints', 'scope_sets'] as const;

/** Somebody who can write to the database past every trigger, and can undo it. */
export class Intruder {
  private constructor(private readonly client: Client) {}

  static async into(issuer: TestIssuer): Promise<Intruder> {
    const client = new Client({ connectionString: issuer.database.url });
    await client.connect();
    await client.query('SET session_replication_role = replica');
    return new Intruder(client);
  }

  async query<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(sql, values)).rows;
  }

  /** Remembers the ledger as it is now. */
  async remember(): Promise<void> {
    for (const table of LEDGER) {
      await this.client.query(`DROP TABLE IF EXISTS pg_temp.kept_${table}`);
      await this.client.query(`CREATE TEMPORARY TABLE kept_${table} AS TABLE ${table}`);
    }
  }

  /** Makes the ledger again what was remembered. */
  async restore(): Promise<void> {
    for (const table of LEDGER) {
      await this.client.query(`DELETE FROM ${table}`);
      await this.client.query(`INSERT INTO ${table} TABLE kept_${table}`);
    }
  }

  async leave(): Promise<void> {
    await this.client.end();
  }
}
