import type { MigrationInterface, QueryRunner } from 'typeorm';

/** GitLab installations as their licenses know them. */
export class CreateInstances1764000003000 implements MigrationInterface {
  readonly name = 'CreateInstances1764000003000';

  async up(runner: QueryRunner): Promise<void> {
    // `instance_id` is text: a uuid column would change the case of what a token must repeat.
    // Every sync updates its row; room on the page keeps those updates off the indexes.
    await runner.query(`
      CREATE TABLE instances (
        id                 uuid        NOT NULL,
        license_id         uuid        NOT NULL,
        instance_id        text        NOT NULL,
        unique_instance_id text,
        host_name          text,
        gitlab_version     text,
        created_at         timestamptz NOT NULL,
        last_seen_at       timestamptz NOT NULL,
        last_sync_at       timestamptz,
        CONSTRAINT instances_pkey PRIMARY KEY (id),
        CONSTRAINT instances_license_id_fkey FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT instances_license_id_instance_id_key UNIQUE (license_id, instance_id)
      ) WITH (fillfactor = 70)`);
    await runner.query(`
      CREATE TRIGGER instances_keep BEFORE DELETE OR TRUNCATE ON instances
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE instances`);
  }
}
