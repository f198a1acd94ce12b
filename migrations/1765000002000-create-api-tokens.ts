import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Bearer tokens of the admin API, as digests. */
export class CreateApiTokens1765000002000 implements MigrationInterface {
  readonly name = 'CreateApiTokens1765000002000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_tokens (
        id         uuid        NOT NULL,
        name       text        NOT NULL,
        role       text        NOT NULL,
        digest     bytea       NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT api_tokens_pkey PRIMARY KEY (id),
        CONSTRAINT api_tokens_name_key UNIQUE (name),
        CONSTRAINT api_tokens_digest_key UNIQUE (digest),
        CONSTRAINT api_tokens_digest_check CHECK (octet_length(digest) = 32),
        CONSTRAINT api_tokens_role_check CHECK (role IN ('owner'))
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE api_tokens`);
  }
}
