import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Licenses, never deleted, and every state they were ever in. */
export class CreateLicenses1764000000000 implements MigrationInterface {
  readonly name = 'CreateLicenses1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE licenses (
        id                uuid        NOT NULL,
        plan              text        NOT NULL,
        kind              text        NOT NULL,
        trial             boolean     NOT NULL,
        seats             integer     NOT NULL,
        starts_on         date        NOT NULL,
        expires_on        date        NOT NULL,
        licensee_name     text,
        licensee_email    text,
        licensee_company  text,
        customer_ref      text,
        key_digest        bytea       NOT NULL,
        sealed_key        bytea       NOT NULL,
        revoked_at        timestamptz,
        revocation_reason text,
        version           integer     NOT NULL,
        created_at        timestamptz NOT NULL,
        updated_at        timestamptz NOT NULL,
        CONSTRAINT licenses_pkey PRIMARY KEY (id),
        CONSTRAINT licenses_key_digest_key UNIQUE (key_digest),
        CONSTRAINT licenses_key_digest_check CHECK (octet_length(key_digest) = 32),
        CONSTRAINT licenses_kind_check CHECK (kind IN ('online_cloud', 'offline_cloud', 'legacy')),
        CONSTRAINT licenses_seats_check CHECK (seats >= 1),
        CONSTRAINT licenses_expires_on_check CHECK (expires_on > starts_on),
        CONSTRAINT licenses_revocation_reason_check
          CHECK (revocation_reason IS NULL OR revoked_at IS NOT NULL)
      )`);
    await runner.query(
      `CREATE INDEX licenses_customer_ref_idx ON licenses (customer_ref) WHERE customer_ref IS NOT NULL`,
    );

    // A row of the past must stay what it was: shared by every table that only grows.
    await runner.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '% on % is refused: its rows are kept for good', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'restrict_violation';
      END $$`);
    await runner.query(`
      CREATE TRIGGER licenses_keep BEFORE DELETE OR TRUNCATE ON licenses
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);

    // The sealed key has no history: old ciphertexts would outlive a change of the sealing key.
    await runner.query(`
      CREATE TABLE licenses_history (
        history_id        bigint      GENERATED ALWAYS AS IDENTITY,
        recorded_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
        id                uuid        NOT NULL,
        plan              text        NOT NULL,
        kind              text        NOT NULL,
        trial             boolean     NOT NULL,
        seats             integer     NOT NULL,
        starts_on         date        NOT NULL,
        expires_on        date        NOT NULL,
        licensee_name     text,
        licensee_email    text,
        licensee_company  text,
        customer_ref      text,
        revoked_at        timestamptz,
        revocation_reason text,
        version           integer     NOT NULL,
        CONSTRAINT licenses_history_pkey PRIMARY KEY (history_id),
        CONSTRAINT licenses_history_id_fkey FOREIGN KEY (id) REFERENCES licenses (id),
        CONSTRAINT licenses_history_id_version_key UNIQUE (id, version)
      )`);
    await runner.query(`
      CREATE TRIGGER licenses_history_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON licenses_history
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION licenses_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO licenses_history (id, plan, kind, trial, seats, starts_on, expires_on,
          licensee_name, licensee_email, licensee_company, customer_ref, revoked_at,
          revocation_reason, version)
        VALUES (NEW.id, NEW.plan, NEW.kind, NEW.trial, NEW.seats, NEW.starts_on, NEW.expires_on,
          NEW.licensee_name, NEW.licensee_email, NEW.licensee_company, NEW.customer_ref,
          NEW.revoked_at, NEW.revocation_reason, NEW.version);
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER licenses_record_insert AFTER INSERT ON licenses
      FOR EACH ROW EXECUTE FUNCTION licenses_record_history()`);
    // Every change counts the version up; sealing a key again changes nothing that is recorded.
    await runner.query(`
      CREATE TRIGGER licenses_record_update AFTER UPDATE ON licenses
      FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
      EXECUTE FUNCTION licenses_record_history()`);
    await runner.query(`
      CREATE FUNCTION refuse_unversioned_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.version = OLD.version + 1 THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'a change of % must count its version up by one', TG_TABLE_NAME
          USING ERRCODE = 'integrity_constraint_violation';
      END $$`);
    await runner.query(`
      CREATE TRIGGER licenses_versioned BEFORE UPDATE ON licenses
      FOR EACH ROW WHEN (
        (to_jsonb(OLD) - 'sealed_key') IS DISTINCT FROM (to_jsonb(NEW) - 'sealed_key'))
      EXECUTE FUNCTION refuse_unversioned_change()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE licenses_history`);
    await runner.query(`DROP TABLE licenses`);
    await runner.query(`DROP FUNCTION refuse_unversioned_change()`);
    await runner.query(`DROP FUNCTION licenses_record_history()`);
    await runner.query(`DROP FUNCTION refuse_change()`);
  }
}
