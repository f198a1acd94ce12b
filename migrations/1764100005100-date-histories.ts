import type { MigrationInterface, QueryRunner } from 'typeorm';

const LICENSE_COLUMNS = `id, plan, kind, trial, seats, starts_on, expires_on, licensee_name,
  licensee_email, licensee_company, customer_ref, revoked_at, revocation_reason, version`;
const PURCHASE_COLUMNS = `id, license_id, add_on, quantity, started_at, expires_on, purchase_xid, trial,
  voided_at, version`;

/**
 * The instant of a change by the clock that also dates tokens: `recorded_at` is the database's, and
 * an auditor who asks what was in force when a token was issued must not compare two clocks.
 */
export class DateHistories1764100005100 implements MigrationInterface {
  readonly name = 'DateHistories1764100005100';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of ['licenses', 'add_on_purchases']) {
      await runner.query(`ALTER TABLE ${table}_history ADD COLUMN updated_at timestamptz`);
      await runner.query(`ALTER TABLE ${table}_history DISABLE TRIGGER ${table}_history_keep`);
      await runner.query(`UPDATE ${table}_history SET updated_at = recorded_at`);
      await runner.query(`ALTER TABLE ${table}_history ENABLE TRIGGER ${table}_history_keep`);
      await runner.query(`ALTER TABLE ${table}_history ALTER COLUMN updated_at SET NOT NULL`);
    }
    await runner.query(recordHistory('licenses', `${LICENSE_COLUMNS}, updated_at`));
    await runner.query(recordHistory('add_on_purchases', `${PURCHASE_COLUMNS}, updated_at`));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(RECORD_LICENSES_BEFORE);
    await runner.query(RECORD_PURCHASES_BEFORE);
    for (const table of ['licenses', 'add_on_purchases']) {
      await runner.query(`ALTER TABLE ${table}_history DROP COLUMN updated_at`);
    }
  }
}

function recordHistory(table: string, columns: string): string {
  const values = columns.split(/,\s*/).map((column) => `NEW.${column}`);
  return `
      CREATE OR REPLACE FUNCTION ${table}_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO ${table}_history (${columns})
        VALUES (${values.join(', ')});
        RETURN NULL;
      END $$`;
}

const RECORD_LICENSES_BEFORE = `
      CREATE OR REPLACE FUNCTION licenses_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO licenses_history (id, plan, kind, trial, seats, starts_on, expires_on,
          licensee_name, licensee_email, licensee_company, customer_ref, revoked_at,
          revocation_reason, version)
        VALUES (NEW.id, NEW.plan, NEW.kind, NEW.trial, NEW.seats, NEW.starts_on, NEW.expires_on,
          NEW.licensee_name, NEW.licensee_email, NEW.licensee_company, NEW.customer_ref,
          NEW.revoked_at, NEW.revocation_reason, NEW.version);
        RETURN NULL;
      END $$`;

const RECORD_PURCHASES_BEFORE = `
      CREATE OR REPLACE FUNCTION add_on_purchases_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO add_on_purchases_history (id, license_id, add_on, quantity, started_at,
          expires_on, purchase_xid, trial, voided_at, version)
        VALUES (NEW.id, NEW.license_id, NEW.add_on, NEW.quantity, NEW.started_at,
          NEW.expires_on, NEW.purchase_xid, NEW.trial, NEW.voided_at, NEW.version);
        RETURN NULL;
      END $$`;
