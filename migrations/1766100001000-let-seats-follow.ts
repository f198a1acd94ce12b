import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Seats follow from a purchase to the one that begins where it ends. */
export class LetSeatsFollow1766100001000 implements MigrationInterface {
  readonly name = 'LetSeatsFollow1766100001000';

  async up(runner: QueryRunner): Promise<void> {
    // The purchase from which the seat was carried over; null for a seat that an admin has assigned.
    await runner.query(`
      ALTER TABLE seat_assignments
        ADD COLUMN carried_from uuid,
        ADD CONSTRAINT seat_assignments_carried_from_fkey
          FOREIGN KEY (carried_from) REFERENCES add_on_purchases (id)`);
    await runner.query(
      `CREATE INDEX seat_assignments_carried_from_idx ON seat_assignments (carried_from)`,
    );
    // An admin who assigns a seat that was carried over makes it an assigned one.
    await runner.query(`DROP TRIGGER seat_assignments_unchanged ON seat_assignments`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_unchanged BEFORE UPDATE ON seat_assignments
      FOR EACH ROW WHEN (
        OLD.released_at IS NOT NULL
        OR (to_jsonb(OLD) - 'released_at' - 'carried_from')
          IS DISTINCT FROM (to_jsonb(NEW) - 'released_at' - 'carried_from')
        OR NEW.carried_from IS NOT NULL AND NEW.carried_from IS DISTINCT FROM OLD.carried_from)
      EXECUTE FUNCTION refuse_change()`);
    await this.carryOver(runner);
  }

  /** Purchases that were recorded before, whose seats nobody has touched, get theirs now. */
  private async carryOver(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DO $$
      DECLARE
        pair record;
      BEGIN
        FOR pair IN
          SELECT previous.id AS previous_id, next.id, next.quantity
          FROM add_on_purchases previous JOIN add_on_purchases next
            ON next.add_on = previous.add_on AND next.started_at = previous.expires_on
              AND (next.license_id = previous.license_id
                OR next.namespace_id = previous.namespace_id)
          WHERE next.add_on IN ('duo_pro', 'duo_enterprise')
            AND next.started_at > (now() AT TIME ZONE 'UTC')::date
            AND next.voided_at IS NULL AND previous.voided_at IS NULL
            AND NOT EXISTS (SELECT FROM seat_assignments WHERE add_on_purchase_id = next.id)
          ORDER BY next.started_at
        LOOP
          INSERT INTO seat_assignments (id, add_on_purchase_id, user_id, assigned_at, carried_from)
          SELECT gen_random_uuid(), pair.id, user_id,
                 now() + place * interval '1 microsecond', pair.previous_id
          FROM (
            SELECT user_id, row_number() OVER (ORDER BY assigned_at, id) AS place
            FROM seat_assignments
            WHERE add_on_purchase_id = pair.previous_id AND released_at IS NULL
          ) AS held
          WHERE place <= pair.quantity;
        END LOOP;
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER seat_assignments_unchanged ON seat_assignments`);
    await runner.query(`ALTER TABLE seat_assignments DROP COLUMN carried_from`);
    await runner.query(`
      CREATE TRIGGER seat_assignments_unchanged BEFORE UPDATE ON seat_assignments
      FOR EACH ROW WHEN (
        OLD.released_at IS NOT NULL
        OR (to_jsonb(OLD) - 'released_at') IS DISTINCT FROM (to_jsonb(NEW) - 'released_at'))
      EXECUTE FUNCTION refuse_change()`);
  }
}
