import type { MigrationInterface, QueryRunner } from 'typeorm';

const COLUMNS = `id, plan, kind, trial, seats, starts_on, expires_on, licensee_name,
  licensee_email, licensee_company, customer_ref, revoked_at, revocation_reason, version, updated_at`;
const KEY_COLUMNS = 'key_replaced_at, previous_key_valid_until';

/** Lets a license get a new key, while the old one works for some time more. */
export class ReplaceLicenseKeys1764400000000 implements MigrationInterface {
  readonly name = 'ReplaceLicenseKeys1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE licenses
        ADD COLUMN key_replaced_at          timestamptz,
        ADD COLUMN previous_key_valid_until timestamptz,
        ADD CONSTRAINT licenses_key_replaced_at_check CHECK (
          (key_replaced_at IS NULL) = (previous_key_valid_until IS NULL)
          AND previous_key_valid_until >= key_replaced_at)`);
    await runner.query(`
      ALTER TABLE licenses_history
        ADD COLUMN key_replaced_at          timestamptz,
        ADD COLUMN previous_key_valid_until timestamptz`);
    await runner.query(recordHistory(`${COLUMNS}, ${KEY_COLUMNS}`));

    // Only the digest is kept. No instance is given an old key any more, so the key itself is not needed.
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
    // A key is unique over present and old keys. A digest gets in here only by the update that takes it
    // out of its license. Another license that wants the same key waits at the unique index until that
    // update is committed, and its trigger, which runs after the index was asked, sees the row here.
    // Once its grace is over, a key is free again, whether or not the job has dropped its row yet.
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

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE replaced_license_keys`);
    await runner.query(`DROP FUNCTION refuse_foreign_license_key()`);
    await runner.query(`DROP TRIGGER licenses_new_key_update ON licenses`);
    await runner.query(`DROP TRIGGER licenses_new_key_insert ON licenses`);
    await runner.query(`DROP FUNCTION licenses_keep_replaced_key()`);
    await runner.query(recordHistory(COLUMNS));
    for (const table of ['licenses_history', 'licenses']) {
      await runner.query(`
        ALTER TABLE ${table} DROP COLUMN previous_key_valid_until, DROP COLUMN key_replaced_at`);
    }
  }
}

/** As `DateHistories` writes it, with other columns. */
function recordHistory(columns: string): string {
  const values = columns.split(/,\s*/).map((column) => `NEW.${column}`);
  return `
      CREATE OR REPLACE FUNCTION licenses_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO licenses_history (${columns})
        VALUES (${values.join(', ')});
        RETURN NULL;
      END $$`;
}
