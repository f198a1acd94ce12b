import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who revoked which service tokens, why, and until when their syncs get the deliberate null. */
export class CreateServiceTokenRevocations1764100004000 implements MigrationInterface {
  readonly name = 'CreateServiceTokenRevocations1764100004000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE service_token_revocations (
        id              uuid        NOT NULL,
        subject         text        NOT NULL,
        jti             uuid,
        instance_id     uuid,
        license_id      uuid,
        reason          text,
        revoked_at      timestamptz NOT NULL,
        revoked_by      text        NOT NULL,
        live_tokens     integer     NOT NULL,
        last_expires_at timestamptz,
        restored_at     timestamptz,
        restored_by     text,
        restore_reason  text,
        CONSTRAINT service_token_revocations_pkey PRIMARY KEY (id),
        CONSTRAINT service_token_revocations_instance_id_fkey
          FOREIGN KEY (instance_id) REFERENCES instances (id),
        CONSTRAINT service_token_revocations_license_id_fkey
          FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT service_token_revocations_subject_check CHECK (
          CASE subject WHEN 'token' THEN jti IS NOT NULL
                       WHEN 'instance' THEN instance_id IS NOT NULL
                       WHEN 'license' THEN license_id IS NOT NULL ELSE false END
          AND num_nonnulls(jti, instance_id, license_id) = 1),
        CONSTRAINT service_token_revocations_live_tokens_check
          CHECK (live_tokens >= 0 AND (live_tokens > 0) = (last_expires_at IS NOT NULL)),
        -- One token is revoked for good; what is lifted is the null answer of an instance or license.
        CONSTRAINT service_token_revocations_restored_at_check CHECK (
          (restored_at IS NULL) = (restored_by IS NULL)
          AND (restored_at IS NOT NULL OR restore_reason IS NULL)
          AND (restored_at IS NULL OR subject <> 'token'))
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX service_token_revocations_jti_idx ON service_token_revocations (jti)`,
    );
    for (const subject of ['instance_id', 'license_id']) {
      await runner.query(`
        CREATE INDEX service_token_revocations_${subject}_idx
        ON service_token_revocations (${subject})`);
      // A sync looks here: at most one stands for each, and few for all.
      await runner.query(`
        CREATE UNIQUE INDEX service_token_revocations_${subject}_active_idx
        ON service_token_revocations (${subject}) WHERE restored_at IS NULL`);
    }
    await runner.query(`
      CREATE TRIGGER service_token_revocations_keep
      BEFORE DELETE OR TRUNCATE ON service_token_revocations
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER service_token_revocations_restored_once
      BEFORE UPDATE ON service_token_revocations
      FOR EACH ROW WHEN (
        OLD.restored_at IS NOT NULL
        OR (to_jsonb(OLD) - ARRAY['restored_at', 'restored_by', 'restore_reason'])
          IS DISTINCT FROM (to_jsonb(NEW) - ARRAY['restored_at', 'restored_by', 'restore_reason']))
      EXECUTE FUNCTION refuse_change()`);
    await this.keepTokensAway(runner);
    await runner.query(`
      CREATE FUNCTION service_token_revocations_tell() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('service_token_revocations', '');
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER service_token_revocations_tell
      AFTER INSERT OR UPDATE ON service_token_revocations
      FOR EACH STATEMENT EXECUTE FUNCTION service_token_revocations_tell()`);
  }

  /**
   * Between the look at the revocations and the commit of a token no revocation can slip in: it waits
   * for the tokens under way, and those that come after it wait for it and then see it.
   */
  private async keepTokensAway(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TRIGGER service_token_revocations_lock BEFORE INSERT ON service_token_revocations
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_lock_phase()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE service_token_revocations`);
    await runner.query(`DROP FUNCTION service_token_revocations_tell()`);
  }
}
