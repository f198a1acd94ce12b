import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where the requests of an instance came from in the last days, and what is suspicious about them. */
export class RecordInstanceSightings1764400001000 implements MigrationInterface {
  readonly name = 'RecordInstanceSightings1764400001000';

  async up(runner: QueryRunner): Promise<void> {
    // A table of its own: every sync updates the row of its instance, which has to stay small. The lists
    // are written as a whole, every few seconds, and are as long as the checks say at most.
    await runner.query(`
      CREATE TABLE instance_sightings (
        instance_id      uuid        NOT NULL,
        instance_uuid    text        NOT NULL,
        last_seen_at     timestamptz NOT NULL,
        networks         jsonb       NOT NULL DEFAULT '[]',
        host_names       jsonb       NOT NULL DEFAULT '[]',
        absurd_seat_link jsonb,
        suspicions       jsonb       NOT NULL DEFAULT '[]',
        suspicious_until timestamptz,
        CONSTRAINT instance_sightings_pkey PRIMARY KEY (instance_id),
        CONSTRAINT instance_sightings_instance_id_fkey
          FOREIGN KEY (instance_id) REFERENCES instances (id),
        CONSTRAINT instance_sightings_networks_check CHECK (jsonb_array_length(networks) <= 20),
        CONSTRAINT instance_sightings_host_names_check CHECK (jsonb_array_length(host_names) <= 20),
        CONSTRAINT instance_sightings_absurd_seat_link_check
          CHECK (jsonb_array_length(absurd_seat_link -> 'numbers') BETWEEN 1 AND 20),
        CONSTRAINT instance_sightings_suspicious_until_check
          CHECK ((jsonb_array_length(suspicions) = 0) = (suspicious_until IS NULL))
      ) WITH (fillfactor = 70)`);
    // The UUID as the instance sends it, which finds it under another license.
    await runner.query(
      `CREATE INDEX instance_sightings_instance_uuid_idx ON instance_sightings (instance_uuid)`,
    );
    await runner.query(`
      CREATE INDEX instance_sightings_suspicious_idx ON instance_sightings (instance_id)
      WHERE suspicious_until IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE instance_sightings`);
  }
}
