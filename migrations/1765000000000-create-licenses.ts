import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Licenses with their history and their keys. No license is ever deleted. */
export class CreateLicenses1765000000000 implements MigrationInterface {
  readonly name = 'CreateLicenses1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createGuards(runner);
    await this.createLicenses(runner);
    await this.createHistory(runner);
    await this.createReplacedKeys(runner);
    await this.createCancellationKeys(runner);
  }

  /** Two trigger functions that many tables share. */
  private async createGuards(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION '% on % is refused: its rows are kept for good', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'restrict_violation';
      END $$`);
    await runner.query(`
      CREATE FUNCTION refuse_unversioned_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.version = OLD.version + 1 THEN RETURN NEW; END IF;
        RAISE EXCEPTION 'a change of % must count its version up by one', TG_TABLE_NAME
          USING ERRCODE = 'integrity_constraint_violation';
      END $$`);
  }

  private async createLicenses(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE licenses (
        id                       uuid        NOT NULL,
        plan                     text        NOT NULL,
        kind                     text        NOT NULL,
        trial                    boolean     NOT NULL,
        seats                    integer     NOT NULL,
        starts_on                date        NOT NULL,
        expires_on               date        NOT NULL,
        licensee_name            text,
        licensee_email           text,
        licensee_company         text,
        customer_ref             text,
        key_digest               bytea       NOT NULL,
        sealed_key               bytea       NOT NULL,
        key_replaced_at          timestamptz,
        previous_key_valid_until timestamptz,
        revoked_at               timestamptz,
        revocation_reason        text,
        version                  integer     NOT NULL,
        created_at               timestamptz NOT NULL,
        updated_at               timestamptz NOT NULL,
        CONSTRAINT licenses_pkey PRIMARY KEY (id),
        CONSTRAINT licenses_key_digest_key UNIQUE (key_digest),
        CONSTRAINT licenses_key_digest_check CHECK (octet_length(key_digest) = 32),
        CONSTRAINT licenses_kind_check CHECK (kind IN ('online_cloud', 'offline_cloud', 'legacy')),
        CONSTRAINT licenses_seats_check CHECK (seats >= 1),
        CONSTRAINT licenses_expires_on_check CHECK (expires_on > starts_on),
        CONSTRAINT licenses_key_replaced_at_check CHECK (
          (key_replaced_at IS NULL) = (previous_key_valid_until IS NULL)
          AND previous_key_valid_until >= key_replaced_at),
        CONSTRAINT licenses_revocation_reason_check
          CHECK (revocation_reason IS NULL OR revoked_at IS NOT NULL)
      )`);
    await runner.query(
      `CREATE INDEX licenses_customer_ref_idx ON licenses (customer_ref) WHERE customer_ref IS NOT NULL`,
    );
    await runner.query(`
      CREATE TRIGGER licenses_keep BEFORE DELETE OR TRUNCATE ON licenses
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    // Sealing a key again under a new key-encryption key changes nothing that is recorded.
    await runner.query(`
      CREATE TRIGGER licenses_versioned BEFORE UPDATE ON licenses
      FOR EACH ROW WHEN (
        (to_jsonb(OLD) - 'sealed_key') IS DISTINCT FROM (to_jsonb(NEW) - 'sealed_key'))
      EXECUTE FUNCTION refuse_unversioned_change()`);
  }

  /**
   * Every version of every license. `recorded_at` is the database's clock. `updated_at` is the clock
   * that also dates tokens, so an auditor who compares the two compares one clock with itself.
   */
  private async createHistory(runner: QueryRunner): Promise<void> {
    // The sealed key has no history: old ciphertexts would outlive a change of the key-encryption key.
    await runner.query(`
      CREATE TABLE licenses_history (
        history_id               bigint      GENERATED ALWAYS AS IDENTITY,
        recorded_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
        id                       uuid        NOT NULL,
        plan                     text        NOT NULL,
        kind                     text        NOT NULL,
        trial                    boolean     NOT NULL,
        seats                    integer     NOT NULL,
        starts_on                date        NOT NULL,
        expires_on               date        NOT NULL,
        licensee_name            text,
        licensee_email           text,
        licensee_company         text,
        customer_ref             text,
        key_replaced_at          timestamptz,
        previous_key_valid_until timestamptz,
        revoked_at               timestamptz,
        revocation_reason        text,
        version                  integer     NOT NULL,
        updated_at               timestamptz NOT NULL,
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
          licensee_name, licensee_email, licensee_company, customer_ref, key_replaced_at,
          previous_key_valid_until, revoked_at, revocation_reason, version, updated_at)
        VALUES (NEW.id, NEW.plan, NEW.kind, NEW.trial, NEW.seats, NEW.starts_on, NEW.expires_on,
          NEW.licensee_name, NEW.licensee_email, NEW.licensee_company, NEW.customer_ref,
          NEW.key_replaced_at, NEW.previous_key_valid_until, NEW.revoked_at, NEW.revocation_reason,
          NEW.version, NEW.updated_at);
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER licenses_record_insert AFTER INSERT ON licenses
      FOR EACH ROW EXECUTE FUNCTION licenses_record_history()`);
    await runner.query(`
      CREATE TRIGGER licenses_record_update AFTER UPDATE ON licenses
      FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
      EXECUTE FUNCTION licenses_record_history()`);
  }

  /** Old keys that still work for some time. Only the digest is kept: nobody needs the key itself. */
  private async createReplacedKeys(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE replaced_license_keys (
        digest      bytea       NOT NULL,
        license_id  uuid        NOT NULL,
        replaced_at timestamptz NOT NULL,
        valid_until timestamptz NOT NULL,
        CONSTRAINT replaced_license_keys_pkey PRIMARY KEY (digest),
        CONSTRAINT replaced_license_keys_license_id_fkey
          FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT replaced_license_keys_digest_check CHECK (octet_length(digest) = 32),
        CONSTRAINT replaced_license_keys_valid_until_check CHECK (valid_until > replaced_at)
      )`);
    await runner.query(
      `CREATE INDEX replaced_license_keys_license_id_idx ON replaced_license_keys (license_id)`,
    );
    // A key is unique among present and old keys together. A digest enters this table only in the
    // update that takes it out of its license. Another license that wants the same key waits at the
    // unique index until that update is committed. Its trigger runs after the index, so it sees the
    // row here. When the grace of an old key is over, the key is free again, even if the job has not
    // dropped its row yet.
    await runner.query(`
      CREATE FUNCTION licenses_keep_replaced_key() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM replaced_license_keys
        WHERE digest = NEW.key_digest AND valid_until <= NEW.updated_at;
        IF EXISTS (SELECT FROM replaced_license_keys WHERE digest = NEW.key_digest) THEN
          RAISE EXCEPTION 'the key of license % is an old key of a license', NEW.id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'licenses_replaced_key_check';
        END IF;
        IF TG_OP = 'UPDATE' AND NEW.previous_key_valid_until > NEW.key_replaced_at THEN
          INSERT INTO replaced_license_keys (digest, license_id, replaced_at, valid_until)
          VALUES (OLD.key_digest, NEW.id, NEW.key_replaced_at, NEW.previous_key_valid_until);
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER licenses_new_key_insert AFTER INSERT ON licenses
      FOR EACH ROW EXECUTE FUNCTION licenses_keep_replaced_key()`);
    await runner.query(`
      CREATE TRIGGER licenses_new_key_update AFTER UPDATE ON licenses
      FOR EACH ROW WHEN (OLD.key_digest IS DISTINCT FROM NEW.key_digest)
      EXECUTE FUNCTION licenses_keep_replaced_key()`);
    await runner.query(`
      CREATE FUNCTION refuse_foreign_license_key() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'an old key comes from the update of its license, and stays with it'
          USING ERRCODE = 'restrict_violation';
      END $$`);
    await runner.query(`
      CREATE TRIGGER replaced_license_keys_insert BEFORE INSERT ON replaced_license_keys
      FOR EACH ROW WHEN (pg_trigger_depth() = 0)
      EXECUTE FUNCTION refuse_foreign_license_key()`);
    await runner.query(`
      CREATE TRIGGER replaced_license_keys_update
      BEFORE UPDATE OF digest, license_id ON replaced_license_keys
      FOR EACH ROW EXECUTE FUNCTION refuse_foreign_license_key()`);
  }

  /** A sealed value names its table and row, so a cancellation key never opens as a license key. */
  private async createCancellationKeys(runner: QueryRunner): Promise<void> {
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
    await runner.query(`DROP TABLE replaced_license_keys`);
    await runner.query(`DROP TABLE licenses_history`);
    await runner.query(`DROP TABLE licenses`);
    await runner.query(`DROP FUNCTION refuse_foreign_license_key()`);
    await runner.query(`DROP FUNCTION licenses_keep_replaced_key()`);
    await runner.query(`DROP FUNCTION licenses_record_history()`);
    await runner.query(`DROP FUNCTION refuse_unversioned_change()`);
    await runner.query(`DROP FUNCTION refuse_change()`);
  }
}
