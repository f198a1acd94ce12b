import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The RS256 keys of tokens, what each replica knows of them, and who fetches them. */
export class CreateSigningKeys1765000004000 implements MigrationInterface {
  readonly name = 'CreateSigningKeys1765000004000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createSigningKeys(runner);
    await this.guardPhases(runner);
    await this.createReplicas(runner);
    await this.createFetches(runner);
  }

  /** One key signs, one is next and already published, and the retired ones are only published. */
  private async createSigningKeys(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE signing_keys (
        kid                 text        NOT NULL,
        phase               text        NOT NULL,
        public_jwk          jsonb       NOT NULL,
        sealed_private_key  bytea,
        published_at        timestamptz NOT NULL,
        -- When the last replica began to publish it, if a replica was cut off and late.
        published_late_at   timestamptz,
        signs_from          timestamptz,
        retired_at          timestamptz,
        unpublished_at      timestamptz,
        -- The same for the last replica that stopped to publish a revoked key.
        unpublished_late_at timestamptz,
        tokens_expire_by    timestamptz,
        lead_seconds        integer     NOT NULL DEFAULT 0,
        outage_accepted     boolean     NOT NULL DEFAULT false,
        revoked_at          timestamptz,
        revoked_by          text,
        revocation_reason   text,
        CONSTRAINT signing_keys_pkey PRIMARY KEY (kid),
        CONSTRAINT signing_keys_phase_check CHECK (phase IN ('next', 'current', 'retired')),
        CONSTRAINT signing_keys_public_jwk_check CHECK (public_jwk ->> 'kid' = kid),
        -- A private half exists exactly as long as the key may sign or is about to.
        CONSTRAINT signing_keys_sealed_private_key_check
          CHECK ((phase = 'retired') = (sealed_private_key IS NULL)),
        CONSTRAINT signing_keys_published_late_at_check CHECK (published_late_at >= published_at),
        CONSTRAINT signing_keys_signs_from_check
          CHECK (CASE phase WHEN 'next' THEN signs_from IS NULL
                            WHEN 'current' THEN signs_from IS NOT NULL ELSE true END),
        -- A key that was published for as long as validators keep keys is known to all of them. A
        -- revocation can do without, if an operator accepts what fails then.
        CONSTRAINT signing_keys_lead_check CHECK (
          signs_from IS NULL OR outage_accepted
          OR extract(epoch FROM signs_from - greatest(published_at, published_late_at))
             >= lead_seconds),
        CONSTRAINT signing_keys_retired_at_check
          CHECK ((phase = 'retired') = (retired_at IS NOT NULL)),
        CONSTRAINT signing_keys_unpublished_at_check
          CHECK (unpublished_at IS NULL OR phase = 'retired'),
        CONSTRAINT signing_keys_unpublished_late_at_check
          CHECK (unpublished_late_at >= unpublished_at),
        -- No token outlives the publication of its key, unless the key was revoked.
        CONSTRAINT signing_keys_tokens_expire_by_check CHECK (
          unpublished_at IS NULL OR revoked_at IS NOT NULL OR tokens_expire_by IS NULL
          OR unpublished_at >= tokens_expire_by),
        CONSTRAINT signing_keys_revoked_at_check CHECK (
          CASE WHEN revoked_at IS NULL THEN revoked_by IS NULL AND revocation_reason IS NULL
               ELSE phase = 'retired' END)
      )`);
    for (const phase of ['current', 'next']) {
      await runner.query(
        `CREATE UNIQUE INDEX signing_keys_${phase}_idx ON signing_keys (phase) WHERE phase = '${phase}'`,
      );
    }
  }

  private async guardPhases(runner: QueryRunner): Promise<void> {
    // The ledger takes this lock shared while it records tokens (see issued_tokens_check_insert), so no
    // phase changes between its check of the key and its commit. The lock is in memory; FOR SHARE
    // would write to the row of the key each time.
    await runner.query(`
      CREATE FUNCTION signing_keys_lock_phase() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('signing_keys.phase'));
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER signing_keys_lock BEFORE INSERT OR UPDATE OF phase OR DELETE ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_lock_phase()`);
    // A phase never goes back, and an unpublished key never returns: retirement erased its private half.
    await runner.query(`
      CREATE TRIGGER signing_keys_forward BEFORE UPDATE ON signing_keys
      FOR EACH ROW WHEN (
        (OLD.phase = 'retired' AND NEW.phase <> 'retired')
        OR (OLD.phase = 'current' AND NEW.phase = 'next')
        OR (OLD.unpublished_at IS NOT NULL AND NEW.unpublished_at IS NULL)
        OR (OLD.tokens_expire_by IS NOT NULL
            AND NEW.tokens_expire_by IS DISTINCT FROM OLD.tokens_expire_by
            AND (NEW.tokens_expire_by IS NULL OR NEW.tokens_expire_by < OLD.tokens_expire_by)))
      EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION signing_keys_notify() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('signing_keys', '');
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER signing_keys_notify
      AFTER INSERT OR DELETE OR UPDATE OF phase, unpublished_at ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_notify()`);
  }

  /** Which keys each running process signs with and publishes. */
  private async createReplicas(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE replicas (
        id         uuid        NOT NULL,
        host_name  text,
        process_id integer,
        started_at timestamptz NOT NULL,
        seen_at    timestamptz NOT NULL,
        signs_with text,
        publishes  text[]      NOT NULL,
        CONSTRAINT replicas_pkey PRIMARY KEY (id)
      )`);
  }

  /** Who fetched which key set: an operator asks this before a new key signs. */
  private async createFetches(runner: QueryRunner): Promise<void> {
    // The network is text: 'other' stands for all networks that found no place of their own.
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
    await runner.query(`DROP TABLE replicas`);
    await runner.query(`DROP TABLE signing_keys`);
    await runner.query(`DROP FUNCTION signing_keys_notify()`);
    await runner.query(`DROP FUNCTION signing_keys_lock_phase()`);
  }
}
