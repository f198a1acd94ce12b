import type { MigrationInterface, QueryRunner } from 'typeorm';

/** In every other table `instance_id` is the `id` of a row of `instances`, not what an instance sends. */
export class RenameInstanceUuid1766300000000 implements MigrationInterface {
  readonly name = 'RenameInstanceUuid1766300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE instances RENAME COLUMN instance_id TO instance_uuid`);
    await runner.query(`
      ALTER TABLE instances RENAME CONSTRAINT instances_license_id_instance_id_key
        TO instances_license_id_instance_uuid_key`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE instances RENAME CONSTRAINT instances_license_id_instance_uuid_key
        TO instances_license_id_instance_id_key`);
    await runner.query(`ALTER TABLE instances RENAME COLUMN instance_uuid TO instance_id`);
  }
}
