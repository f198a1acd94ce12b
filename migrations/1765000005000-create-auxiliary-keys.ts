import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The ES256 keys that sign everything but tokens: status lists and the checkpoints of the ledger. */
export class CreateAuxiliaryKeys1765000005000 implements MigrationInterface {
  readonly name = 'CreateAuxiliaryKeys1765000005000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE auxiliary_keys (
        kid                text        NOT NULL,
        phase              text        NOT NULL,
        public_jwk         jsonb       NOT NULL,
        sealed_private_key bytea,
        -- Proves that the key is ours: write access to this table is not enough to seal.
        sealed_kid         bytea       NOT NULL,
        published_at       timestamptz NOT NULL,
        signs_from         timestamptz,
        retired_at         timestamptz,
        CONSTRAINT auxiliary_keys_pkey PRIMARY KEY (kid),
        CONSTRAINT auxiliary_keys_phase_check CHECK (phase IN ('next', 'current', 'retired')),
        CONSTRAINT auxiliary_keys_public_jwk_check
          CHECK (public_jwk ->> 'kid' = kid AND NOT public_jwk ? 'd'),
        -- A private half exists exactly as long as the key may sign or is about to.
        CONSTRAINT auxiliary_keys_sealed_private_key_check
          CHECK ((phase = 'retired') = (sealed_private_key IS NULL)),
        CONSTRAINT auxiliary_keys_signs_from_check
          CHECK ((phase = 'next') = (signs_from IS NULL)),
        CONSTRAINT auxiliary_keys_retired_at_check
          CHECK ((phase = 'retired') = (retired_at IS NOT NULL))
      )`);
    for (const phase of ['current', 'next']) {
      await runner.query(
        `CREATE UNIQUE INDEX auxiliary_keys_${phase}_idx ON auxiliary_keys (phase) WHERE phase = '${phase}'`,
      );
    }
    // What a key has signed must stay verifiable for good, so a key stays published in every phase.
    await runner.query(`
      CREATE TRIGGER auxiliary_keys_keep BEFORE DELETE OR TRUNCATE ON auxiliary_keys
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER auxiliary_keys_forward BEFORE UPDATE ON auxiliary_keys
      FOR EACH ROW WHEN (
        OLD.kid <> NEW.kid OR OLD.public_jwk <> NEW.public_jwk
        OR (OLD.phase = 'retired' AND NEW.phase <> 'retired')
        OR (OLD.phase = 'current' AND NEW.phase = 'next'))
      EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION auxiliary_keys_notify() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('auxiliary_keys', '');
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER auxiliary_keys_notify AFTER INSERT OR UPDATE OF phase ON auxiliary_keys
      FOR EACH STATEMENT EXECUTE FUNCTION auxiliary_keys_notify()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE auxiliary_keys`);
    await runner.query(`DROP FUNCTION auxiliary_keys_notify()`);
  }
}
