import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Add-on purchases, never deleted: one is ended, or voided before its start. */
export class CreateAddOnPurchases1764000001000 implements MigrationInterface {
  readonly name = 'CreateAddOnPurchases1764000001000';

  async up(runner: QueryRunner): Promise<void> {
    // For `=` on uuid and text inside an exclusion constraint; a trusted extension since Postgres 13.
    await runner.query(`CREATE EXTENSION IF NOT EXISTS btree_gist`);
    await runner.query(`
      CREATE TABLE add_on_purchases (
        id           uuid        NOT NULL,
        license_id   uuid        NOT NULL,
        add_on       text        NOT NULL,
        quantity     integer     NOT NULL,
        started_at   date,
        expires_on   date        NOT NULL,
        purchase_xid text,
        trial        boolean     NOT NULL,
        voided_at    timestamptz,
        version      integer     NOT NULL,
        created_at   timestamptz NOT NULL,
        updated_at   timestamptz NOT NULL,
        CONSTRAINT add_on_purchases_pkey PRIMARY KEY (id),
        CONSTRAINT add_on_purchases_license_id_fkey
          FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT add_on_purchases_quantity_check CHECK (quantity >= 1),
        -- Equal on a purchase that was ended on its first day.
        CONSTRAINT add_on_purchases_expires_on_check CHECK (expires_on >= started_at),
        -- The old name of duo_pro is for callers only.
        CONSTRAINT add_on_purchases_add_on_check CHECK (add_on <> 'code_suggestions'),
        CONSTRAINT add_on_purchases_overlap_excl EXCLUDE USING gist (
          license_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&
        ) WHERE (voided_at IS NULL)
      )`);
    await runner.query(
      `CREATE INDEX add_on_purchases_license_id_idx ON add_on_purchases (license_id)`,
    );
    // Two that overlap and come at once would wait for each other, until one is told of a deadlock
    // instead of the overlap. So those of one license take turns.
    await runner.query(`
      CREATE FUNCTION add_on_purchases_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM FROM licenses WHERE id = NEW.license_id FOR NO KEY UPDATE;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_turn BEFORE INSERT OR UPDATE ON add_on_purchases
      FOR EACH ROW EXECUTE FUNCTION add_on_purchases_take_turns()`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_keep BEFORE DELETE OR TRUNCATE ON add_on_purchases
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_versioned BEFORE UPDATE ON add_on_purchases
      FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
      EXECUTE FUNCTION refuse_unversioned_change()`);

    await runner.query(`
      CREATE TABLE add_on_purchases_history (
        history_id   bigint      GENERATED ALWAYS AS IDENTITY,
        recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        id           uuid        NOT NULL,
        license_id   uuid        NOT NULL,
        add_on       text        NOT NULL,
        quantity     integer     NOT NULL,
        started_at   date,
        expires_on   date        NOT NULL,
        purchase_xid text,
        trial        boolean     NOT NULL,
        voided_at    timestamptz,
        version      integer     NOT NULL,
        CONSTRAINT add_on_purchases_history_pkey PRIMARY KEY (history_id),
        CONSTRAINT add_on_purchases_history_id_fkey
          FOREIGN KEY (id) REFERENCES add_on_purchases (id),
        CONSTRAINT add_on_purchases_history_id_version_key UNIQUE (id, version)
      )`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_history_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON add_on_purchases_history
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION add_on_purchases_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO add_on_purchases_history (id, license_id, add_on, quantity, started_at,
          expires_on, purchase_xid, trial, voided_at, version)
        VALUES (NEW.id, NEW.license_id, NEW.add_on, NEW.quantity, NEW.started_at,
          NEW.expires_on, NEW.purchase_xid, NEW.trial, NEW.voided_at, NEW.version);
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_record_insert AFTER INSERT ON add_on_purchases
      FOR EACH ROW EXECUTE FUNCTION add_on_purchases_record_history()`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_record_update AFTER UPDATE ON add_on_purchases
      FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
      EXECUTE FUNCTION add_on_purchases_record_history()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE add_on_purchases_history`);
    await runner.query(`DROP TABLE add_on_purchases`);
    await runner.query(`DROP FUNCTION add_on_purchases_record_history()`);
    await runner.query(`DROP FUNCTION add_on_purchases_take_turns()`);
    await runner.query(`DROP EXTENSION btree_gist`);
  }
}
