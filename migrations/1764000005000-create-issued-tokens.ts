import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The issuance ledger: a row for every token that left the service, never the token itself. */
export class CreateIssuedTokens1764000005000 implements MigrationInterface {
  readonly name = 'CreateIssuedTokens1764000005000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE scope_sets (
        digest    bytea  NOT NULL,
        scopes    text[] NOT NULL,
        audiences text[] NOT NULL,
        CONSTRAINT scope_sets_pkey PRIMARY KEY (digest),
        CONSTRAINT scope_sets_scopes_check CHECK (cardinality(scopes) > 0),
        CONSTRAINT scope_sets_audiences_check CHECK (cardinality(audiences) > 0)
      )`);
    await runner.query(`
      CREATE TABLE catalog_snapshots (
        digest            bytea       NOT NULL,
        document          jsonb       NOT NULL,
        first_in_force_at timestamptz NOT NULL,
        CONSTRAINT catalog_snapshots_pkey PRIMARY KEY (digest)
      )`);

    // A jti is a UUID of version 7: it starts with its millisecond, so a range of jtis is a day, a
    // jti is unique across all partitions, and looking one up opens only its own day.
    await runner.query(`
      CREATE TABLE issued_tokens (
        jti              uuid        NOT NULL,
        license_id       uuid        NOT NULL,
        instance_id      uuid        NOT NULL,
        kid              text        NOT NULL,
        scope_set_digest bytea       NOT NULL,
        catalog_digest   bytea       NOT NULL,
        gitlab_version   text        NOT NULL,
        issued_at        timestamptz NOT NULL,
        expires_at       timestamptz NOT NULL,
        claims_digest    bytea       NOT NULL,
        revoked_at       timestamptz,
        CONSTRAINT issued_tokens_pkey PRIMARY KEY (jti),
        CONSTRAINT issued_tokens_expires_at_check CHECK (expires_at > issued_at),
        CONSTRAINT issued_tokens_claims_digest_check CHECK (octet_length(claims_digest) = 32)
      ) PARTITION BY RANGE (jti)`);
    await runner.query(`
      CREATE FUNCTION first_jti_of(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
        SELECT rpad(lpad(to_hex((day - date '1970-01-01')::bigint * 86400000), 12, '0'), 32, '0')::uuid
      $$`);
    await runner.query(`
      CREATE FUNCTION create_issued_tokens_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN
        -- IF NOT EXISTS alone does not save two sessions that create the same table at once.
        PERFORM pg_advisory_xact_lock(hashtext('create_issued_tokens_partition'));
        EXECUTE format(
          'CREATE TABLE IF NOT EXISTS %I PARTITION OF issued_tokens FOR VALUES FROM (%L) TO (%L)',
          'issued_tokens_' || to_char(day, 'YYYYMMDD'), first_jti_of(day), first_jti_of(day + 1));
      END $$`);

    // Only the key in phase current may sign. The check is one statement for a whole batch. The
    // shared lock keeps a rotation (which takes it exclusively, below) from slipping in between this
    // check and the commit; it is in memory, where FOR SHARE would write to the key's row each time.
    await runner.query(`
      CREATE FUNCTION issued_tokens_check_insert() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('signing_keys.phase'));
        IF EXISTS (
          SELECT FROM inserted WHERE kid NOT IN (SELECT kid FROM signing_keys WHERE phase = 'current')
        ) THEN
          RAISE EXCEPTION 'a token may be signed by the current key only'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'issued_tokens_kid_current_check';
        END IF;
        IF EXISTS (SELECT FROM inserted WHERE scope_set_digest NOT IN (SELECT digest FROM scope_sets))
        OR EXISTS (SELECT FROM inserted WHERE catalog_digest NOT IN (SELECT digest FROM catalog_snapshots))
        -- A subquery for each row is a look-up in the index; a join may read the whole table.
        OR EXISTS (
          SELECT FROM inserted WHERE license_id IS DISTINCT FROM
            (SELECT license_id FROM instances WHERE instances.id = inserted.instance_id))
        THEN
          RAISE EXCEPTION 'an issued token must name a known instance, scope set and catalog'
            USING ERRCODE = 'foreign_key_violation',
                  CONSTRAINT = 'issued_tokens_references_check';
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER issued_tokens_check AFTER INSERT ON issued_tokens
      REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT EXECUTE FUNCTION issued_tokens_check_insert()`);
    await runner.query(`
      CREATE FUNCTION signing_keys_lock_phase() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('signing_keys.phase'));
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER signing_keys_lock BEFORE INSERT OR UPDATE OF phase OR DELETE ON signing_keys
      FOR EACH STATEMENT EXECUTE FUNCTION signing_keys_lock_phase()`);
    for (const table of ['scope_sets', 'catalog_snapshots']) {
      await runner.query(`
        CREATE TRIGGER ${table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER signing_keys_lock ON signing_keys`);
    await runner.query(`DROP FUNCTION signing_keys_lock_phase()`);
    await runner.query(`DROP TABLE issued_tokens`);
    await runner.query(`DROP FUNCTION issued_tokens_check_insert()`);
    await runner.query(`DROP FUNCTION create_issued_tokens_partition(date)`);
    await runner.query(`DROP FUNCTION first_jti_of(date)`);
    await runner.query(`DROP TABLE catalog_snapshots`);
    await runner.query(`DROP TABLE scope_sets`);
  }
}
