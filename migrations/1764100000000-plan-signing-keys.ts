import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the lifecycle of a signing key is planned by, and what the replicas know of the keys. */
export class PlanSigningKeys1764100000000 implements MigrationInterface {
  readonly name = 'PlanSigningKeys1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE signing_keys
        ADD COLUMN tokens_expire_by  timestamptz,
        ADD COLUMN lead_seconds      integer NOT NULL DEFAULT 0,
        ADD COLUMN outage_accepted   boolean NOT NULL DEFAULT false,
        ADD COLUMN revoked_at        timestamptz,
        ADD COLUMN revoked_by        text,
        ADD COLUMN revocation_reason text`);
    await runner.query(`
      UPDATE signing_keys SET tokens_expire_by = signed.expires_at
      FROM (SELECT kid, max(expires_at) AS expires_at FROM issued_tokens GROUP BY kid) signed
      WHERE signing_keys.kid = signed.kid`);
    await runner.query(`
      ALTER TABLE signing_keys
        -- Published for as long as validators keep keys, a key is known to all of them. A revocation
        -- can do without, if an operator accepts what fails then.
        ADD CONSTRAINT signing_keys_lead_check CHECK (
          signs_from IS NULL OR outage_accepted
          OR extract(epoch FROM signs_from - published_at) >= lead_seconds),
        -- No token outlives the publication of its key, but for a key that is revoked.
        ADD CONSTRAINT signing_keys_tokens_expire_by_check CHECK (
          unpublished_at IS NULL OR revoked_at IS NOT NULL OR tokens_expire_by IS NULL
          OR unpublished_at >= tokens_expire_by),
        ADD CONSTRAINT signing_keys_revoked_at_check CHECK (
          CASE WHEN revoked_at IS NULL THEN revoked_by IS NULL AND revocation_reason IS NULL
               ELSE phase = 'retired' END)`);
    await runner.query(`
      CREATE FUNCTION signing_keys_tell() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('signing_keys', '');
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER signing_keys_tell
      AFTER INSERT OR DELETE OR UPDATE OF phase, unpublished_at ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_tell()`);
    // Retirement erases the private half; a phase never goes back, a forgotten key never returns.
    await runner.query(`
      CREATE TRIGGER signing_keys_forward BEFORE UPDATE ON signing_keys
      FOR EACH ROW WHEN (
        (OLD.phase = 'retired' AND NEW.phase <> 'retired')
        OR (OLD.phase = 'current' AND NEW.phase = 'next')
        OR (OLD.unpublished_at IS NOT NULL AND NEW.unpublished_at IS NULL)
        OR (OLD.tokens_expire_by IS NOT NULL
            AND NEW.tokens_expire_by IS DISTINCT FROM OLD.tokens_expire_by
            AND (NEW.tokens_expire_by IS NULL OR NEW.tokens_expire_by < OLD.tokens_expire_by)))
      EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TABLE replicas (
        id         uuid        NOT NULL,
        started_at timestamptz NOT NULL,
        seen_at    timestamptz NOT NULL,
        signs_with text,
        publishes  text[]      NOT NULL,
        CONSTRAINT replicas_pkey PRIMARY KEY (id)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE replicas`);
    await runner.query(`DROP TRIGGER signing_keys_forward ON signing_keys`);
    await runner.query(`DROP TRIGGER signing_keys_tell ON signing_keys`);
    await runner.query(`DROP FUNCTION signing_keys_tell()`);
    await runner.query(`
      ALTER TABLE signing_keys
        DROP CONSTRAINT signing_keys_revoked_at_check,
        DROP CONSTRAINT signing_keys_tokens_expire_by_check,
        DROP CONSTRAINT signing_keys_lead_check,
        DROP COLUMN tokens_expire_by,
        DROP COLUMN lead_seconds,
        DROP COLUMN outage_accepted,
        DROP COLUMN revoked_at,
        DROP COLUMN revoked_by,
        DROP COLUMN revocation_reason`);
  }
}
