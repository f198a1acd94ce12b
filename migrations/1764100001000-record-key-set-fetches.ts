import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who fetched which key set: what an operator asks before a new key signs. */
export class RecordKeySetFetches1764100001000 implements MigrationInterface {
  readonly name = 'RecordKeySetFetches1764100001000';

  async up(runner: QueryRunner): Promise<void> {
    // The network is text and may be 'other', which stands for all who found no place of their own.
    await runner.query(`
      CREATE TABLE key_set_fetches (
        newest_kid       text        NOT NULL,
        user_agent       text        NOT NULL,
        network          text        NOT NULL,
        fetches          bigint      NOT NULL,
        first_fetched_at timestamptz NOT NULL,
        last_fetched_at  timestamptz NOT NULL,
        CONSTRAINT key_set_fetches_pkey PRIMARY KEY (newest_kid, user_agent, network),
        CONSTRAINT key_set_fetches_newest_kid_fkey
          FOREIGN KEY (newest_kid) REFERENCES signing_keys (kid) ON DELETE CASCADE,
        CONSTRAINT key_set_fetches_user_agent_check
          CHECK (char_length(user_agent) BETWEEN 1 AND 120),
        CONSTRAINT key_set_fetches_fetches_check CHECK (fetches >= 1),
        CONSTRAINT key_set_fetches_last_fetched_at_check
          CHECK (last_fetched_at >= first_fetched_at)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE key_set_fetches`);
  }
}
