import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who revoked which service tokens and why, and until when their syncs get no token. */
export class CreateServiceTokenRevocations1765000006000 implements MigrationInterface {
  readonly name = 'CreateServiceTokenRevocations1765000006000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createRevocations(runner);
    await this.createIndexes(runner);
    await this.guardRevocations(runner);
  }

  private async createRevocations(runner: QueryRunner): Promise<void> {
    // The ids of users and namespaces are the platform's own and need not be known here.
    await runner.query(`
      CREATE TABLE service_token_revocations (
        id              uuid        NOT NULL,
        subject         text        NOT NULL,
        jti             uuid,
        instance_id     uuid,
        license_id      uuid,
        user_id         text,
        namespace_id    text,
        reason          text,
        revoked_at      timestamptz NOT NULL,
        revoked_by      text        NOT NULL,
        revoked_tokens  integer     NOT NULL,
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
                       WHEN 'license' THEN license_id IS NOT NULL
                       WHEN 'user' THEN user_id IS NOT NULL
                       WHEN 'namespace' THEN namespace_id IS NOT NULL ELSE false END
          AND num_nonnulls(jti, instance_id, license_id, user_id, namespace_id) = 1),
        CONSTRAINT service_token_revocations_revoked_tokens_check
          CHECK (revoked_tokens >= 0 AND (revoked_tokens > 0) = (last_expires_at IS NOT NULL)),
        -- A revoked token stays revoked. Only instances and licenses can be given tokens again.
        CONSTRAINT service_token_revocations_restored_at_check CHECK (
          (restored_at IS NULL) = (restored_by IS NULL)
          AND (restored_at IS NOT NULL OR restore_reason IS NULL)
          AND (restored_at IS NULL OR subject IN ('instance', 'license')))
      )`);
  }

  private async createIndexes(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE UNIQUE INDEX service_token_revocations_jti_idx ON service_token_revocations (jti)`,
    );
    for (const subject of ['instance_id', 'license_id', 'user_id', 'namespace_id']) {
      await runner.query(`
        CREATE INDEX service_token_revocations_${subject}_idx
        ON service_token_revocations (${subject})`);
    }
    // Every sync looks here. Each instance and license has one active revocation at most.
    for (const subject of ['instance_id', 'license_id']) {
      await runner.query(`
        CREATE UNIQUE INDEX service_token_revocations_${subject}_active_idx
        ON service_token_revocations (${subject}) WHERE restored_at IS NULL`);
    }
  }

  private async guardRevocations(runner: QueryRunner): Promise<void> {
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
    // A revocation waits for the tokens that are being recorded. Tokens that come later wait for the
    // revocation, and then see it.
    await runner.query(`
      CREATE TRIGGER service_token_revocations_lock BEFORE INSERT ON service_token_revocations
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_lock_phase()`);
    await runner.query(`
      CREATE FUNCTION service_token_revocations_notify() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('service_token_revocations', '');
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER service_token_revocations_notify
      AFTER INSERT OR UPDATE ON service_token_revocations
      FOR EACH STATEMENT EXECUTE FUNCTION service_token_revocations_notify()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE service_token_revocations`);
    await runner.query(`DROP FUNCTION service_token_revocations_notify()`);
  }
}
