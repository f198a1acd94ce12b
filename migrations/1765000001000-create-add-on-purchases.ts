import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Add-on purchases of licenses and of namespaces, and the seats that they give to users. No purchase
 * is ever deleted: one is ended, or voided before its start.
 */
export class CreateAddOnPurchases1765000001000 implements MigrationInterface {
  readonly name = 'CreateAddOnPurchases1765000001000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createNamespaces(runner);
    await this.createPurchases(runner);
    await this.createPurchasesHistory(runner);
    await this.createSeatAssignments(runner);
    await this.countSeats(runner);
  }

  private async createNamespaces(runner: QueryRunner): Promise<void> {
    // The id is the platform's own. A namespace is known here once something was bought for it.
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

  private async createPurchases(runner: QueryRunner): Promise<void> {
    // For `=` on uuid and text inside an exclusion constraint; a trusted extension since Postgres 13.
    await runner.query(`CREATE EXTENSION IF NOT EXISTS btree_gist`);
    await runner.query(`
      CREATE TABLE add_on_purchases (
        id             uuid        NOT NULL,
        license_id     uuid,
        namespace_id   text,
        add_on         text        NOT NULL,
        quantity       integer     NOT NULL,
        assigned_seats integer     NOT NULL DEFAULT 0,
        started_at     date,
        expires_on     date        NOT NULL,
        purchase_xid   text,
        trial          boolean     NOT NULL,
        voided_at      timestamptz,
        version        integer     NOT NULL,
        created_at     timestamptz NOT NULL,
        updated_at     timestamptz NOT NULL,
        CONSTRAINT add_on_purchases_pkey PRIMARY KEY (id),
        CONSTRAINT add_on_purchases_license_id_fkey
          FOREIGN KEY (license_id) REFERENCES licenses (id),
        CONSTRAINT add_on_purchases_namespace_id_fkey
          FOREIGN KEY (namespace_id) REFERENCES namespaces (id),
        CONSTRAINT add_on_purchases_owner_check
          CHECK (num_nonnulls(license_id, namespace_id) = 1),
        CONSTRAINT add_on_purchases_quantity_check CHECK (quantity >= 1),
        CONSTRAINT add_on_purchases_assigned_seats_check
          CHECK (assigned_seats BETWEEN 0 AND quantity),
        CONSTRAINT add_on_purchases_seat_add_on_check
          CHECK (assigned_seats = 0 OR add_on IN ('duo_pro', 'duo_enterprise')),
        -- Equal on a purchase that was ended on its first day.
        CONSTRAINT add_on_purchases_expires_on_check CHECK (expires_on >= started_at),
        -- The old name of duo_pro is for callers only.
        CONSTRAINT add_on_purchases_add_on_check CHECK (add_on <> 'code_suggestions'),
        -- A null never equals anything: each exclusion sees the purchases of its own owners only.
        CONSTRAINT add_on_purchases_overlap_excl EXCLUDE USING gist (
          license_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&
        ) WHERE (voided_at IS NULL),
        CONSTRAINT add_on_purchases_namespace_overlap_excl EXCLUDE USING gist (
          namespace_id WITH =, add_on WITH =, daterange(started_at, expires_on, '[)') WITH &&
        ) WHERE (voided_at IS NULL)
      )`);
    for (const owner of ['license_id', 'namespace_id']) {
      await runner.query(
        `CREATE INDEX add_on_purchases_${owner}_idx ON add_on_purchases (${owner})`,
      );
    }
    // Two overlapping purchases that come at once would wait for each other, and one would fail with a
    // deadlock instead of the overlap. So the purchases of one owner take turns.
    await runner.query(`
      CREATE FUNCTION add_on_purchases_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.license_id IS NOT NULL THEN
          PERFORM FROM licenses WHERE id = NEW.license_id FOR NO KEY UPDATE;
        ELSE
          PERFORM FROM namespaces WHERE id = NEW.namespace_id FOR NO KEY UPDATE;
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_turn BEFORE INSERT OR UPDATE OF license_id, namespace_id,
        add_on, started_at, expires_on, voided_at ON add_on_purchases
      FOR EACH ROW EXECUTE FUNCTION add_on_purchases_take_turns()`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_keep BEFORE DELETE OR TRUNCATE ON add_on_purchases
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    // The count of assigned seats does not change what was bought: it has no version and no history.
    await runner.query(`
      CREATE TRIGGER add_on_purchases_versioned BEFORE UPDATE ON add_on_purchases
      FOR EACH ROW WHEN (
        (to_jsonb(OLD) - 'assigned_seats') IS DISTINCT FROM (to_jsonb(NEW) - 'assigned_seats'))
      EXECUTE FUNCTION refuse_unversioned_change()`);
  }

  private async createPurchasesHistory(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE add_on_purchases_history (
        history_id   bigint      GENERATED ALWAYS AS IDENTITY,
        recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        id           uuid        NOT NULL,
        license_id   uuid,
        namespace_id text,
        add_on       text        NOT NULL,
        quantity     integer     NOT NULL,
        started_at   date,
        expires_on   date        NOT NULL,
        purchase_xid text,
        trial        boolean     NOT NULL,
        voided_at    timestamptz,
        version      integer     NOT NULL,
        updated_at   timestamptz NOT NULL,
        CONSTRAINT add_on_purchases_history_pkey PRIMARY KEY (history_id),
        CONSTRAINT add_on_purchases_history_id_fkey
          FOREIGN KEY (id) REFERENCES add_on_purchases (id),
        CONSTRAINT add_on_purchases_history_owner_check
          CHECK (num_nonnulls(license_id, namespace_id) = 1),
        CONSTRAINT add_on_purchases_history_id_version_key UNIQUE (id, version)
      )`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_history_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON add_on_purchases_history
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION add_on_purchases_record_history() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO add_on_purchases_history (id, license_id, namespace_id, add_on, quantity,
          started_at, expires_on, purchase_xid, trial, voided_at, version, updated_at)
        VALUES (NEW.id, NEW.license_id, NEW.namespace_id, NEW.add_on, NEW.quantity,
          NEW.started_at, NEW.expires_on, NEW.purchase_xid, NEW.trial, NEW.voided_at, NEW.version,
          NEW.updated_at);
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

  /** A seat is released once. The row then stays for a while: it says who could do what, and when. */
  private async createSeatAssignments(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE seat_assignments (
        id                 uuid        NOT NULL,
        add_on_purchase_id uuid        NOT NULL,
        user_id            text        NOT NULL,
        assigned_at        timestamptz NOT NULL,
        released_at        timestamptz,
        CONSTRAINT seat_assignments_pkey PRIMARY KEY (id),
        CONSTRAINT seat_assignments_add_on_purchase_id_fkey
          FOREIGN KEY (add_on_purchase_id) REFERENCES add_on_purchases (id),
        CONSTRAINT seat_assignments_user_id_check CHECK (length(user_id) BETWEEN 1 AND 255)
      )`);
    for (const column of ['add_on_purchase_id', 'user_id']) {
      await runner.query(
        `CREATE INDEX seat_assignments_${column}_idx ON seat_assignments (${column})`,
      );
    }
    await runner.query(`
      CREATE UNIQUE INDEX seat_assignments_held_idx
      ON seat_assignments (add_on_purchase_id, user_id) WHERE released_at IS NULL`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_unchanged BEFORE UPDATE ON seat_assignments
      FOR EACH ROW WHEN (
        OLD.released_at IS NOT NULL
        OR (to_jsonb(OLD) - 'released_at') IS DISTINCT FROM (to_jsonb(NEW) - 'released_at'))
      EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_keep_held BEFORE DELETE ON seat_assignments
      FOR EACH ROW WHEN (OLD.released_at IS NULL) EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_keep BEFORE TRUNCATE ON seat_assignments
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  /**
   * The count stands in the row of the purchase. Whoever assigns seats or reduces the quantity meets
   * the other there, at every isolation level; counting rows could miss uncommitted ones.
   */
  private async countSeats(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION seat_assignments_count() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        UPDATE add_on_purchases p SET assigned_seats = p.assigned_seats + sign * n.seats
        FROM (
          SELECT add_on_purchase_id, count(*)::integer AS seats FROM changed
          WHERE (released_at IS NULL) = (TG_OP = 'INSERT') GROUP BY 1
        ) n, (SELECT CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END AS sign) s
        WHERE p.id = n.add_on_purchase_id;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_count_assigned AFTER INSERT ON seat_assignments
      REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION seat_assignments_count()`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_count_released AFTER UPDATE ON seat_assignments
      REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION seat_assignments_count()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE seat_assignments`);
    await runner.query(`DROP FUNCTION seat_assignments_count()`);
    await runner.query(`DROP TABLE add_on_purchases_history`);
    await runner.query(`DROP TABLE add_on_purchases`);
    await runner.query(`DROP FUNCTION add_on_purchases_record_history()`);
    await runner.query(`DROP FUNCTION add_on_purchases_take_turns()`);
    await runner.query(`DROP EXTENSION btree_gist`);
    await runner.query(`DROP TABLE namespaces_history`);
    await runner.query(`DROP TABLE namespaces`);
    await runner.query(`DROP FUNCTION namespaces_record_history()`);
  }
}
