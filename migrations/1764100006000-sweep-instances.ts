import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the sweep found: which instances hold tokens that say more than they should. */
export class SweepInstances1764100006000 implements MigrationInterface {
  readonly name = 'SweepInstances1764100006000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE instances
        ADD COLUMN excess_scopes text[],
        ADD COLUMN excess_until  timestamptz,
        ADD CONSTRAINT instances_excess_check CHECK (
          (excess_scopes IS NULL) = (excess_until IS NULL) AND cardinality(excess_scopes) > 0)`);
    // Small. A sync touches neither its column nor its condition, so its update stays in its page.
    await runner.query(
      `CREATE INDEX instances_excess_idx ON instances (id) WHERE excess_until IS NOT NULL`,
    );

    // One row: who sweeps until when, and what the last sweep counted.
    await runner.query(`
      CREATE TABLE instance_sweeps (
        id            integer     NOT NULL,
        claimed_by    uuid,
        claimed_until timestamptz,
        started_at    timestamptz,
        finished_at   timestamptz,
        seconds       float8,
        overdue       integer,
        by_time_left  jsonb,
        CONSTRAINT instance_sweeps_pkey PRIMARY KEY (id),
        CONSTRAINT instance_sweeps_id_check CHECK (id = 1),
        CONSTRAINT instance_sweeps_claimed_by_check
          CHECK ((claimed_by IS NULL) = (claimed_until IS NULL)),
        CONSTRAINT instance_sweeps_finished_at_check CHECK (
          num_nulls(started_at, finished_at, seconds, overdue, by_time_left) IN (0, 5))
      )`);
    await runner.query(`INSERT INTO instance_sweeps (id) VALUES (1)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE instance_sweeps`);
    await runner.query(`DROP INDEX instances_excess_idx`);
    await runner.query(`
      ALTER TABLE instances
        DROP CONSTRAINT instances_excess_check,
        DROP COLUMN excess_scopes,
        DROP COLUMN excess_until`);
  }
}
