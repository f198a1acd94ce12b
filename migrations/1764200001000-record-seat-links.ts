import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an instance last reported of its use, and what it is told when its license was cancelled. */
export class RecordSeatLinks1764200001000 implements MigrationInterface {
  readonly name = 'RecordSeatLinks1764200001000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE instances
        ADD COLUMN last_seat_link_at    timestamptz,
        ADD COLUMN seats_reported_at    timestamptz,
        ADD COLUMN billable_users       integer,
        ADD COLUMN max_historical_users integer,
        ADD COLUMN add_on_metrics       jsonb,
        ADD CONSTRAINT instances_seat_link_check
          CHECK (last_seat_link_at IS NOT NULL OR (seats_reported_at IS NULL
            AND billable_users IS NULL AND max_historical_users IS NULL AND add_on_metrics IS NULL)),
        ADD CONSTRAINT instances_users_check
          CHECK (billable_users >= 0 AND max_historical_users >= 0)`);
    // Only for those that have reported; no sync changes what it is about.
    await runner.query(`
      CREATE INDEX instances_seat_link_idx ON instances (id) WHERE last_seat_link_at IS NOT NULL`);

    // Beside the licenses: sealed for a row of its own, it opens in the place of no license key.
    await runner.query(`
      CREATE TABLE cancellation_keys (
        license_id    uuid        NOT NULL,
        sealed_key    bytea       NOT NULL,
        registered_at timestamptz NOT NULL,
        CONSTRAINT cancellation_keys_pkey PRIMARY KEY (license_id),
        CONSTRAINT cancellation_keys_license_id_fkey
          FOREIGN KEY (license_id) REFERENCES licenses (id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE cancellation_keys`);
    await runner.query(`DROP INDEX instances_seat_link_idx`);
    await runner.query(`
      ALTER TABLE instances
        DROP CONSTRAINT instances_users_check,
        DROP CONSTRAINT instances_seat_link_check,
        DROP COLUMN add_on_metrics,
        DROP COLUMN max_historical_users,
        DROP COLUMN billable_users,
        DROP COLUMN seats_reported_at,
        DROP COLUMN last_seat_link_at`);
  }
}
