import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Places of tokens in status lists, taken in blocks: no token costs a round trip of its own. */
export class CreateStatusIndices1764100004500 implements MigrationInterface {
  readonly name = 'CreateStatusIndices1764100004500';

  async up(runner: QueryRunner): Promise<void> {
    // The increment is the size of a block. A process that ends leaves a gap, which costs nothing.
    await runner.query(
      `CREATE SEQUENCE status_indices AS bigint MINVALUE 0 START WITH 0 INCREMENT BY 256 NO CYCLE`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP SEQUENCE status_indices`);
  }
}
