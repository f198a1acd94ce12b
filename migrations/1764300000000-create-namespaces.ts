import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lets an add-on purchase belong to a namespace of the platform instead of a license. */
export class CreateNamespaces1764300000000 implements MigrationInterface {
  readonly name = 'CreateNamespaces1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    // The id is the platform's own: we know of a namespace because something was bought for it.
    await runner.query(`
      CREATE TABLE namespaces (
        id         text        NOT NULL,
        plan       text        NOT NULL,
        version    integer     NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT namespaces_pkey PRIMARY KEY (id),
        CONSTRAINT namespaces_id_check CHECK (length(id) BETWEEN 1 AND 255)
      )`);
    await runner.query(`
      CREATE TRIGGER namespaces_keep BEFORE DELETE OR TRUNCATE ON namespaces
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER namespaces_versioned BEFORE UPDATE ON namespaces
      FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
      EXECUTE FUNCTION refuse_unversioned_change()`);
    await this.createHistory(runner);
    await this.giveOwners(runner);
  }

  private async createHistory(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE namespaces_history (
        history_id  bigint      GENERATED ALWAYS AS IDENTITY,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        id          text        NOT NULL,
        plan        text        NOT NULL,
        version     integer     NOT NULL,
        updated_at  timestamptz NOT NULL,
        CONSTRAINT namespaces_history_pkey PRIMARY KEY (history_id),
        CONSTRAINT namespaces_history_id_fkey FOREIGN KEY (id) REFERENCES namespaces (id),
        CONSTRAINT namespaces_history_id_version_key UNIQUE (id, version)
      )`);
    await runner.query(`
      CREATE TRIGGER namespaces_history_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON namespaces_history
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION namespaces_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO namespaces_history (id, plan, version, updated_at)
        VALUES (NEW.id, NEW.plan, NEW.version, NEW.updated_at);
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER namespaces_record_insert AFTER INSERT ON namespaces
      FOR EACH ROW EXECUTE FUNCTION namespaces_record_history()`);
    await runner.query(`
      CREATE TRIGGER namespaces_record_update AFTER UPDATE ON namespaces
      FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
      EXECUTE FUNCTION namespaces_record_history()`);
  }

  private async giveOwners(runner: QueryRunner): Promise<void> {
    // A null never equals anything: each of the two exclusions sees the purchases of its owners only.
    await runner.query(`
      ALTER TABLE add_on_purchases
        ALTER COLUMN license_id DROP NOT NULL,
        ADD COLUMN namespace_id text,
        ADD CONSTRAINT add_on_purchases_namespace_id_fkey
          FOREIGN KEY (namespace_id) REFERENCES namespaces (id),
        ADD CONSTRAINT add_on_purchases_owner_check
          CHECK (num_nonnulls(license_id, namespace_id) = 1),
        ADD CONSTRAINT add_on_purchases_namespace_overlap_excl EXCLUDE USING gist (
          namespace_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&
        ) WHERE (voided_at IS NULL)`);
    await runner.query(
      `CREATE INDEX add_on_purchases_namespace_id_idx ON add_on_purchases (namespace_id)`,
    );
    await runner.query(`
      CREATE OR REPLACE FUNCTION add_on_purchases_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.license_id IS NOT NULL THEN
          PERFORM FROM licenses WHERE id = NEW.license_id FOR NO KEY UPDATE;
        ELSE
          PERFORM FROM namespaces WHERE id = NEW.namespace_id FOR NO KEY UPDATE;
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      ALTER TABLE add_on_purchases_history
        ALTER COLUMN license_id DROP NOT NULL,
        ADD COLUMN namespace_id text,
        ADD CONSTRAINT add_on_purchases_history_owner_check
          CHECK (num_nonnulls(license_id, namespace_id) = 1)`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION add_on_purchases_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO add_on_purchases_history (id, license_id, namespace_id, add_on, quantity,
          started_at, expires_on, purchase_xid, trial, voided_at, version, updated_at)
        VALUES (NEW.id, NEW.license_id, NEW.namespace_id, NEW.add_on, NEW.quantity,
          NEW.started_at, NEW.expires_on, NEW.purchase_xid, NEW.trial, NEW.voided_at, NEW.version,
          NEW.updated_at);
        RETURN NULL;
      END $$`);
  }

  /** Refused by `SET NOT NULL` once a namespace has bought something: that has no other place. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(RECORD_PURCHASES_BEFORE);
    await runner.query(`
      ALTER TABLE add_on_purchases_history
        DROP CONSTRAINT add_on_purchases_history_owner_check,
        DROP COLUMN namespace_id,
        ALTER COLUMN license_id SET NOT NULL`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION add_on_purchases_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM FROM licenses WHERE id = NEW.license_id FOR NO KEY UPDATE;
        RETURN NEW;
      END $$`);
    await runner.query(`DROP INDEX add_on_purchases_namespace_id_idx`);
    await runner.query(`
      ALTER TABLE add_on_purchases
        DROP CONSTRAINT add_on_purchases_namespace_overlap_excl,
        DROP CONSTRAINT add_on_purchases_owner_check,
        DROP CONSTRAINT add_on_purchases_namespace_id_fkey,
        DROP COLUMN namespace_id,
        ALTER COLUMN license_id SET NOT NULL`);
    await runner.query(`DROP TABLE namespaces_history`);
    await runner.query(`DROP TABLE namespaces`);
    await runner.query(`DROP FUNCTION namespaces_record_history()`);
  }
}

/** As `1764100005100-date-histories.ts` left it, to the last blank: `down` is compared. */
const RECORD_PURCHASES_BEFORE = `
      CREATE OR REPLACE FUNCTION add_on_purchases_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO add_on_purchases_history (id, license_id, add_on, quantity, started_at, expires_on, purchase_xid, trial,
  voided_at, version, updated_at)
        VALUES (NEW.id, NEW.license_id, NEW.add_on, NEW.quantity, NEW.started_at, NEW.expires_on, NEW.purchase_xid, NEW.trial, NEW.voided_at, NEW.version, NEW.updated_at);
        RETURN NULL;
      END $$`;
