import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Seats of add-on purchases, assigned to users: never more than were bought. */
export class CreateSeatAssignments1764300001000 implements MigrationInterface {
  readonly name = 'CreateSeatAssignments1764300001000';

  async up(runner: QueryRunner): Promise<void> {
    // The count stands in the purchase's own row, so that whoever assigns or reduces meets the other
    // one there, at every isolation level: a count of rows could miss those that are not committed.
    await runner.query(`
      ALTER TABLE add_on_purchases
        ADD COLUMN assigned_seats integer NOT NULL DEFAULT 0,
        ADD CONSTRAINT add_on_purchases_assigned_seats_check
          CHECK (assigned_seats BETWEEN 0 AND quantity),
        ADD CONSTRAINT add_on_purchases_seat_add_on_check
          CHECK (assigned_seats = 0 OR add_on IN ('duo_pro', 'duo_enterprise'))`);
    // The count is no change of what was bought: it has no version, no history and takes no turn.
    await runner.query(`DROP TRIGGER add_on_purchases_versioned ON add_on_purchases`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_versioned BEFORE UPDATE ON add_on_purchases
      FOR EACH ROW WHEN (
        (to_jsonb(OLD) - 'assigned_seats') IS DISTINCT FROM (to_jsonb(NEW) - 'assigned_seats'))
      EXECUTE FUNCTION refuse_unversioned_change()`);
    await runner.query(`DROP TRIGGER add_on_purchases_turn ON add_on_purchases`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_turn BEFORE INSERT OR UPDATE OF license_id, namespace_id,
        add_on, started_at, expires_on, voided_at ON add_on_purchases
      FOR EACH ROW EXECUTE FUNCTION add_on_purchases_take_turns()`);

    // A seat that was released stays as a row: who could do what, and when, has an answer.
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
    await runner.query(
      `CREATE INDEX seat_assignments_add_on_purchase_id_idx ON seat_assignments (add_on_purchase_id)`,
    );
    await runner.query(`CREATE INDEX seat_assignments_user_id_idx ON seat_assignments (user_id)`);
    await runner.query(`
      CREATE UNIQUE INDEX seat_assignments_held_idx
      ON seat_assignments (add_on_purchase_id, user_id) WHERE released_at IS NULL`);
    await this.keepCount(runner);
    await this.keepRows(runner);
  }

  private async keepCount(runner: QueryRunner): Promise<void> {
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

  /** A seat is released, once; what was released may go when nobody can ask for it any more. */
  private async keepRows(runner: QueryRunner): Promise<void> {
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

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE seat_assignments`);
    await runner.query(`DROP FUNCTION seat_assignments_count()`);
    await runner.query(`DROP TRIGGER add_on_purchases_turn ON add_on_purchases`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_turn BEFORE INSERT OR UPDATE ON add_on_purchases
      FOR EACH ROW EXECUTE FUNCTION add_on_purchases_take_turns()`);
    await runner.query(`DROP TRIGGER add_on_purchases_versioned ON add_on_purchases`);
    await runner.query(`
      ALTER TABLE add_on_purchases
        DROP CONSTRAINT add_on_purchases_seat_add_on_check,
        DROP CONSTRAINT add_on_purchases_assigned_seats_check,
        DROP COLUMN assigned_seats`);
    await runner.query(`
      CREATE TRIGGER add_on_purchases_versioned BEFORE UPDATE ON add_on_purchases
      FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
      EXECUTE FUNCTION refuse_unversioned_change()`);
  }
}
