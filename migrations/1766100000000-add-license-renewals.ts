import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A license can renew another one. Licenses that renew one another form a line. */
export class AddLicenseRenewals1766100000000 implements MigrationInterface {
  readonly name = 'AddLicenseRenewals1766100000000';

  async up(runner: QueryRunner): Promise<void> {
    // The unique constraint allows each license one renewal, and indexes the foreign key.
    await runner.query(`
      ALTER TABLE licenses
        ADD COLUMN renews_license_id uuid,
        ADD CONSTRAINT licenses_renews_license_id_fkey
          FOREIGN KEY (renews_license_id) REFERENCES licenses (id),
        ADD CONSTRAINT licenses_renews_license_id_key UNIQUE (renews_license_id)`);
    await runner.query(`ALTER TABLE licenses_history ADD COLUMN renews_license_id uuid`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION licenses_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO licenses_history (id, plan, kind, trial, seats, starts_on, expires_on,
          licensee_name, licensee_email, licensee_company, customer_ref, renews_license_id,
          key_replaced_at, previous_key_valid_until, revoked_at, revocation_reason, version,
          updated_at)
        VALUES (NEW.id, NEW.plan, NEW.kind, NEW.trial, NEW.seats, NEW.starts_on, NEW.expires_on,
          NEW.licensee_name, NEW.licensee_email, NEW.licensee_company, NEW.customer_ref,
          NEW.renews_license_id, NEW.key_replaced_at, NEW.previous_key_valid_until, NEW.revoked_at,
          NEW.revocation_reason, NEW.version, NEW.updated_at);
        RETURN NULL;
      END $$`);
    await this.checkLines(runner);
  }

  /**
   * A line has no circle and at most 100 licenses. Two writes could each close one half of a circle, so
   * they take turns by an advisory lock. Each license on the way is locked too: a transaction that is
   * isolated so strictly that it does not see the other write then fails instead.
   */
  private async checkLines(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION licenses_check_line() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        step   uuid    := NEW.renews_license_id;
        length integer := 1;
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('licenses.renewals'));
        WHILE step IS NOT NULL LOOP
          IF step = NEW.id THEN
            RAISE EXCEPTION 'license % would renew itself, directly or through others', NEW.id
              USING ERRCODE = 'integrity_constraint_violation',
                    CONSTRAINT = 'licenses_renewal_circle_check';
          END IF;
          length := length + 1;
          EXIT WHEN length > 100;
          SELECT renews_license_id INTO step FROM licenses WHERE id = step FOR KEY SHARE;
        END LOOP;
        step := NEW.id;
        LOOP
          SELECT id INTO step FROM licenses WHERE renews_license_id = step;
          EXIT WHEN NOT FOUND OR length > 100;
          length := length + 1;
        END LOOP;
        IF length > 100 THEN
          RAISE EXCEPTION 'the line of license % would have more than 100 licenses', NEW.id
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'licenses_renewal_line_check';
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER licenses_line BEFORE INSERT OR UPDATE OF renews_license_id ON licenses
      FOR EACH ROW WHEN (NEW.renews_license_id IS NOT NULL)
      EXECUTE FUNCTION licenses_check_line()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER licenses_line ON licenses`);
    await runner.query(`DROP FUNCTION licenses_check_line()`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION licenses_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
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
    await runner.query(`ALTER TABLE licenses_history DROP COLUMN renews_license_id`);
    await runner.query(`ALTER TABLE licenses DROP COLUMN renews_license_id`);
  }
}
