import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Codes by which an instance gets its license, and which instance has used which. */
export class CreateActivationCodes1765000008000 implements MigrationInterface {
  readonly name = 'CreateActivationCodes1765000008000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE activation_codes (
        id         uuid        NOT NULL,
        license_id uuid        NOT NULL,
        digest     bytea       NOT NULL,
        max_uses   integer     NOT NULL,
        uses       integer     NOT NULL DEFAULT 0,
        expires_at timestamptz,
        revoked_at timestamptz,
        created_at timestamptz NOT NULL,
        CONSTRAINT activation_codes_pkey PRIMARY KEY (id),
        CONSTRAINT activation_codes_license_id_fkey FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT activation_codes_digest_key UNIQUE (digest),
        CONSTRAINT activation_codes_digest_check CHECK (octet_length(digest) = 32),
        CONSTRAINT activation_codes_max_uses_check CHECK (max_uses >= 1),
        CONSTRAINT activation_codes_uses_check CHECK (uses BETWEEN 0 AND max_uses)
      )`);
    await runner.query(
      `CREATE INDEX activation_codes_license_id_idx ON activation_codes (license_id, id)`,
    );
    await runner.query(`
      CREATE TRIGGER activation_codes_keep BEFORE DELETE OR TRUNCATE ON activation_codes
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);

    await runner.query(`
      CREATE TABLE activations (
        activation_code_id uuid        NOT NULL,
        instance_id        uuid        NOT NULL,
        automated          boolean     NOT NULL,
        activated_at       timestamptz NOT NULL,
        CONSTRAINT activations_pkey PRIMARY KEY (activation_code_id, instance_id),
        CONSTRAINT activations_activation_code_id_fkey
          FOREIGN KEY (activation_code_id) REFERENCES activation_codes (id),
        CONSTRAINT activations_instance_id_fkey FOREIGN KEY (instance_id) REFERENCES instances (id)
      )`);
    await runner.query(`CREATE INDEX activations_instance_id_idx ON activations (instance_id)`);
    await runner.query(`
      CREATE TRIGGER activations_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON activations
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);

    // Counted where the row is written, under the lock of its code: of two instances that come at
    // once for the last use, the second one finds none left.
    await runner.query(`
      CREATE FUNCTION activations_count_use() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE activation_codes SET uses = uses + 1
        WHERE id = NEW.activation_code_id AND revoked_at IS NULL;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'the activation code is revoked'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'activations_code_revoked_check';
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER activations_count_use AFTER INSERT ON activations
      FOR EACH ROW EXECUTE FUNCTION activations_count_use()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE activations`);
    await runner.query(`DROP FUNCTION activations_count_use()`);
    await runner.query(`DROP TABLE activation_codes`);
  }
}
