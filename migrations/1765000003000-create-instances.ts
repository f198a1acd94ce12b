import type { MigrationInterface, QueryRunner } from 'typeorm';

/** GitLab installations: what they report, where they were seen, and what the sweep finds about them. */
export class CreateInstances1765000003000 implements MigrationInterface {
  readonly name = 'CreateInstances1765000003000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createInstances(runner);
    await this.createSightings(runner);
    await this.createSweeps(runner);
  }

  private async createInstances(runner: QueryRunner): Promise<void> {
    // `instance_id` is text: a uuid column would change the case of what a token must repeat.
    // Every sync updates its row. Room on the page keeps those updates off the indexes, and no index
    // has a column or a condition that a sync changes.
    await runner.query(`
      CREATE TABLE instances (
        id                     uuid        NOT NULL,
        license_id             uuid        NOT NULL,
        instance_id            text        NOT NULL,
        unique_instance_id     text,
        host_name              text,
        gitlab_version         text,
        created_at             timestamptz NOT NULL,
        last_seen_at           timestamptz NOT NULL,
        last_sync_at           timestamptz,
        -- The last token that it was given.
        token_jti              uuid,
        token_expires_at       timestamptz,
        token_scope_set_digest bytea,
        -- What the last sweep found: scopes of its live tokens that its license no longer gives.
        excess_scopes          text[],
        excess_scopes_until    timestamptz,
        last_seat_link_at      timestamptz,
        seats_reported_at      timestamptz,
        billable_users         integer,
        max_historical_users   integer,
        add_on_metrics         jsonb,
        CONSTRAINT instances_pkey PRIMARY KEY (id),
        CONSTRAINT instances_license_id_fkey FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT instances_license_id_instance_id_key UNIQUE (license_id, instance_id),
        CONSTRAINT instances_token_check CHECK (
          (token_jti IS NULL) = (token_expires_at IS NULL)
          AND (token_jti IS NULL) = (token_scope_set_digest IS NULL)),
        CONSTRAINT instances_excess_scopes_check CHECK (
          (excess_scopes IS NULL) = (excess_scopes_until IS NULL) AND cardinality(excess_scopes) > 0),
        CONSTRAINT instances_seat_link_check
          CHECK (last_seat_link_at IS NOT NULL OR (seats_reported_at IS NULL
            AND billable_users IS NULL AND max_historical_users IS NULL AND add_on_metrics IS NULL)),
        CONSTRAINT instances_users_check
          CHECK (billable_users >= 0 AND max_historical_users >= 0)
      ) WITH (fillfactor = 70)`);
    await runner.query(
      `CREATE INDEX instances_excess_scopes_until_idx ON instances (id) WHERE excess_scopes_until IS NOT NULL`,
    );
    await runner.query(`
      CREATE INDEX instances_seat_link_idx ON instances (id) WHERE last_seat_link_at IS NOT NULL`);
    await runner.query(`
      CREATE TRIGGER instances_keep BEFORE DELETE OR TRUNCATE ON instances
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  /** Where the requests of an instance came from in the last days, and what is suspicious about them. */
  private async createSightings(runner: QueryRunner): Promise<void> {
    // A table of its own, because every sync updates the row of its instance, which has to stay small.
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
    // The UUID that the instance sends finds it under another license as well.
    await runner.query(
      `CREATE INDEX instance_sightings_instance_uuid_idx ON instance_sightings (instance_uuid)`,
    );
    await runner.query(`
      CREATE INDEX instance_sightings_suspicious_idx ON instance_sightings (instance_id)
      WHERE suspicious_until IS NOT NULL`);
  }

  /** One row: which replica sweeps until when, and what the last sweep counted. */
  private async createSweeps(runner: QueryRunner): Promise<void> {
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
    await runner.query(`DROP TABLE instance_sightings`);
    await runner.query(`DROP TABLE instances`);
  }
}
