import type { MigrationInterface, QueryRunner } from 'typeorm';

/** RS256 keys: one signs, one stands by and is already published, the rest are only published. */
export class CreateSigningKeys1764000004000 implements MigrationInterface {
  readonly name = 'CreateSigningKeys1764000004000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE signing_keys (
        kid                text        NOT NULL,
        phase              text        NOT NULL,
        public_jwk         jsonb       NOT NULL,
        sealed_private_key bytea,
        published_at       timestamptz NOT NULL,
        signs_from         timestamptz,
        retired_at         timestamptz,
        unpublished_at     timestamptz,
        CONSTRAINT signing_keys_pkey PRIMARY KEY (kid),
        CONSTRAINT signing_keys_phase_check CHECK (phase IN ('next', 'current', 'retired')),
        CONSTRAINT signing_keys_public_jwk_check CHECK (public_jwk ->> 'kid' = kid),
        -- A private half exists exactly as long as the key may sign or is about to.
        CONSTRAINT signing_keys_sealed_private_key_check
          CHECK ((phase = 'retired') = (sealed_private_key IS NULL)),
        CONSTRAINT signing_keys_signs_from_check
          CHECK (CASE phase WHEN 'next' THEN signs_from IS NULL
                            WHEN 'current' THEN signs_from IS NOT NULL ELSE true END),
        CONSTRAINT signing_keys_retired_at_check
          CHECK ((phase = 'retired') = (retired_at IS NOT NULL)),
        CONSTRAINT signing_keys_unpublished_at_check
          CHECK (unpublished_at IS NULL OR phase = 'retired')
      )`);
    await runner.query(
      `CREATE UNIQUE INDEX signing_keys_current_idx ON signing_keys (phase) WHERE phase = 'current'`,
    );
    await runner.query(
      `CREATE UNIQUE INDEX signing_keys_next_idx ON signing_keys (phase) WHERE phase = 'next'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE signing_keys`);
  }
}
