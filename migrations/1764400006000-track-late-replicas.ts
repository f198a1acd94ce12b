import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which machine a replica runs on, and what replicas that were cut off do to the instants of a key. */
export class TrackLateReplicas1764400006000 implements MigrationInterface {
  readonly name = 'TrackLateReplicas1764400006000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE replicas
        ADD COLUMN host_name  text,
        ADD COLUMN process_id integer`);
    await runner.query(`
      ALTER TABLE signing_keys
        ADD COLUMN published_late_at timestamptz,
        ADD COLUMN dropped_late_at   timestamptz`);
    await runner.query(`
      ALTER TABLE signing_keys
        ADD CONSTRAINT signing_keys_published_late_at_check CHECK (published_late_at >= published_at),
        ADD CONSTRAINT signing_keys_dropped_late_at_check CHECK (dropped_late_at >= unpublished_at)`);
    // The time that validators need to learn a key counts from the last replica that began to publish it.
    await runner.query(`
      ALTER TABLE signing_keys
        DROP CONSTRAINT signing_keys_lead_check,
        ADD CONSTRAINT signing_keys_lead_check CHECK (
          signs_from IS NULL OR outage_accepted
          OR extract(epoch FROM signs_from - greatest(published_at, published_late_at))
             >= lead_seconds)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE signing_keys
        DROP CONSTRAINT signing_keys_lead_check,
        ADD CONSTRAINT signing_keys_lead_check CHECK (
          signs_from IS NULL OR outage_accepted
          OR extract(epoch FROM signs_from - published_at) >= lead_seconds),
        DROP CONSTRAINT signing_keys_dropped_late_at_check,
        DROP CONSTRAINT signing_keys_published_late_at_check,
        DROP COLUMN dropped_late_at,
        DROP COLUMN published_late_at`);
    await runner.query(`
      ALTER TABLE replicas
        DROP COLUMN process_id,
        DROP COLUMN host_name`);
  }
}
