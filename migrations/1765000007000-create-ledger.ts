import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The issuance ledger: a row for every token that left the service, never the token itself. Rows are
 * written in batches that are chained by hash, kept in partitions by day of issue, tied together by
 * signed checkpoints, and dropped by whole days.
 */
export class CreateLedger1765000007000 implements MigrationInterface {
  readonly name = 'CreateLedger1765000007000';

  async up(runner: QueryRunner): Promise<void> {
    await this.createReferences(runner);
    await this.createIssuedTokens(runner);
    await this.createDays(runner);
    await this.checkInserts(runner);
    await this.createCheckpoints(runner);
    await this.createBatches(runner);
    await this.createDroppedDays(runner);
    await this.createDrop(runner);
  }

  /** What rows and batches name by digest. Each distinct document is stored once and for good. */
  private async createReferences(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE scope_sets (
        digest    bytea  NOT NULL,
        scopes    text[] NOT NULL,
        audiences text[] NOT NULL,
        CONSTRAINT scope_sets_pkey PRIMARY KEY (digest),
        CONSTRAINT scope_sets_scopes_check CHECK (cardinality(scopes) > 0),
        CONSTRAINT scope_sets_audiences_check CHECK (cardinality(audiences) > 0)
      )`);
    // With the catalog and the policy of its time an auditor can compute an old token again.
    for (const table of ['catalog_snapshots', 'policy_snapshots']) {
      await runner.query(`
        CREATE TABLE ${table} (
          digest            bytea       NOT NULL,
          document          jsonb       NOT NULL,
          first_in_force_at timestamptz NOT NULL,
          CONSTRAINT ${table}_pkey PRIMARY KEY (digest)
        )`);
    }
    for (const table of ['scope_sets', 'catalog_snapshots', 'policy_snapshots']) {
      await runner.query(`
        CREATE TRIGGER ${table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    }
    // Places of tokens in status lists. A process takes a block of them at once, so no token costs a
    // round trip of its own. A process that ends leaves a gap, which costs nothing.
    await runner.query(
      `CREATE SEQUENCE status_indices AS bigint MINVALUE 0 START WITH 0 INCREMENT BY 256 NO CYCLE`,
    );
  }

  private async createIssuedTokens(runner: QueryRunner): Promise<void> {
    // A jti is a UUID of version 7, which starts with its millisecond. So a range of jtis is a day, a
    // jti is unique across all partitions, and looking one up opens only its own day.
    // A self-issued token has no license and no instance. Its request is JSON that keeps its text,
    // because the chain hashes it.
    await runner.query(`
      CREATE TABLE issued_tokens (
        jti              uuid        NOT NULL,
        license_id       uuid,
        instance_id      uuid,
        kid              text        NOT NULL,
        scope_set_digest bytea       NOT NULL,
        catalog_digest   bytea       NOT NULL,
        gitlab_version   text,
        issued_at        timestamptz NOT NULL,
        expires_at       timestamptz NOT NULL,
        claims_digest    bytea       NOT NULL,
        status_index     bigint,
        self_issued      json,
        chain_id         uuid        NOT NULL,
        batch_number     integer     NOT NULL,
        revoked_at       timestamptz,
        CONSTRAINT issued_tokens_pkey PRIMARY KEY (jti),
        CONSTRAINT issued_tokens_owner_check CHECK (
          CASE WHEN self_issued IS NULL
               THEN num_nulls(license_id, instance_id, gitlab_version) = 0
               ELSE num_nonnulls(license_id, instance_id, gitlab_version) = 0 END),
        CONSTRAINT issued_tokens_expires_at_check CHECK (expires_at > issued_at),
        CONSTRAINT issued_tokens_claims_digest_check CHECK (octet_length(claims_digest) = 32),
        CONSTRAINT issued_tokens_status_index_check CHECK (status_index >= 0)
      ) PARTITION BY RANGE (jti)`);
    await runner.query(`CREATE INDEX issued_tokens_instance_id_idx ON issued_tokens (instance_id)`);
    // Small: the status lists and the listing of revoked tokens read it.
    await runner.query(`
      CREATE INDEX issued_tokens_revoked_idx ON issued_tokens (status_index)
      WHERE revoked_at IS NOT NULL`);
    await runner.query(`
      CREATE TRIGGER issued_tokens_keep BEFORE DELETE OR TRUNCATE ON issued_tokens
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    // A token can be revoked, once and for good. Nothing else of its row changes.
    await runner.query(`
      CREATE TRIGGER issued_tokens_unchanged BEFORE UPDATE ON issued_tokens
      FOR EACH ROW WHEN (
        OLD.revoked_at IS NOT NULL
        OR (to_jsonb(OLD) - 'revoked_at') IS DISTINCT FROM (to_jsonb(NEW) - 'revoked_at'))
      EXECUTE FUNCTION refuse_change()`);
  }

  /** The partitions: their names, their bounds, and how one is made. */
  private async createDays(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION first_jti_of(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
        SELECT rpad(lpad(to_hex((day - date '1970-01-01')::bigint * 86400000), 12, '0'), 32, '0')::uuid
      $$`);
    await runner.query(`
      CREATE FUNCTION day_of_jti(jti uuid) RETURNS date LANGUAGE sql IMMUTABLE AS $$
        SELECT date '1970-01-01' +
          (('x' || left(replace(jti::text, '-', ''), 12))::bit(48)::bigint / 86400000)::integer
      $$`);
    await runner.query(`
      CREATE FUNCTION issued_tokens_partition(day date) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT 'issued_tokens_' || to_char(day, 'YYYYMMDD')
      $$`);
    await runner.query(`
      CREATE FUNCTION issued_tokens_days() RETURNS SETOF date LANGUAGE sql STABLE AS $$
        SELECT to_date(right(relname, 8), 'YYYYMMDD')
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'issued_tokens'::regclass AND relname ~ '^issued_tokens_[0-9]{8}$'
        ORDER BY 1
      $$`);
    // CREATE TABLE ... PARTITION OF waits for everybody who reads the ledger, such as a dump, and every
    // sync would wait behind it. ATTACH PARTITION waits for neither readers nor writers.
    await runner.query(`
      CREATE FUNCTION create_issued_tokens_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        partition text := issued_tokens_partition(day);
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('create_issued_tokens_partition'));
        IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
        EXECUTE format('CREATE TABLE %I (LIKE issued_tokens INCLUDING CONSTRAINTS)', partition);
        EXECUTE format('ALTER TABLE issued_tokens ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
          partition, first_jti_of(day), first_jti_of(day + 1));
      END $$`);
  }

  /** Checks a whole batch in one statement: its key, revocations, and what its rows refer to. */
  private async checkInserts(runner: QueryRunner): Promise<void> {
    // Batches share the lock. A change of phases and a revocation take it exclusively, so neither can
    // happen between these checks and the commit.
    await runner.query(`
      CREATE FUNCTION issued_tokens_check_insert() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        signing record;
        last_expiry timestamptz;
        revoked text;
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('signing_keys.phase'));
        SELECT kid, tokens_expire_by INTO signing FROM signing_keys WHERE phase = 'current';
        IF EXISTS (SELECT FROM inserted WHERE kid IS DISTINCT FROM signing.kid) THEN
          RAISE EXCEPTION 'a token may be signed by the current key only'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'issued_tokens_kid_current_check';
        END IF;

        -- The key notes until when its tokens live. Rounding up to a minute keeps these writes rare.
        SELECT max(expires_at) INTO last_expiry FROM inserted;
        IF signing.tokens_expire_by IS NULL OR signing.tokens_expire_by < last_expiry THEN
          UPDATE signing_keys
          SET tokens_expire_by = date_trunc('minute', last_expiry) + interval '1 minute'
          WHERE kid = signing.kid AND (tokens_expire_by IS NULL OR tokens_expire_by < last_expiry);
        END IF;

        -- Mostly no revocation is active, which one look at each small index shows. The detail names
        -- the tokens, so that the rest of their batch can be written without them.
        IF EXISTS (SELECT FROM service_token_revocations
                   WHERE restored_at IS NULL AND license_id IS NOT NULL)
        OR EXISTS (SELECT FROM service_token_revocations
                   WHERE restored_at IS NULL AND instance_id IS NOT NULL)
        THEN
          SELECT string_agg(jti::text, ' ') INTO revoked FROM inserted
          WHERE (SELECT true FROM service_token_revocations r
                 WHERE r.license_id = inserted.license_id AND r.restored_at IS NULL)
             OR (SELECT true FROM service_token_revocations r
                 WHERE r.instance_id = inserted.instance_id AND r.restored_at IS NULL);
          IF revoked IS NOT NULL THEN
            RAISE EXCEPTION 'the tokens of this license or instance are revoked'
              USING ERRCODE = 'integrity_constraint_violation', DETAIL = revoked,
                    CONSTRAINT = 'issued_tokens_revoked_check';
          END IF;
        END IF;

        IF EXISTS (SELECT FROM inserted WHERE scope_set_digest NOT IN (SELECT digest FROM scope_sets))
        OR EXISTS (SELECT FROM inserted WHERE catalog_digest NOT IN (SELECT digest FROM catalog_snapshots))
        -- A subquery for each row is a look-up in the index; a join may read the whole table.
        OR EXISTS (
          SELECT FROM inserted WHERE license_id IS DISTINCT FROM
            (SELECT license_id FROM instances WHERE instances.id = inserted.instance_id))
        -- No foreign key: its check would lock, and so write, the policy's row with each batch.
        OR EXISTS (
          SELECT FROM ledger_batches
          WHERE (chain_id, number) = (SELECT chain_id, batch_number FROM inserted LIMIT 1)
            AND policy_digest NOT IN (SELECT digest FROM policy_snapshots))
        THEN
          RAISE EXCEPTION 'an issued token must name a known instance, scope set, catalog and policy'
            USING ERRCODE = 'foreign_key_violation',
                  CONSTRAINT = 'issued_tokens_references_check';
        END IF;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER issued_tokens_check AFTER INSERT ON issued_tokens
      REFERENCING NEW TABLE AS inserted
      FOR EACH STATEMENT EXECUTE FUNCTION issued_tokens_check_insert()`);
  }

  /** Signed statements about all batches so far, each with the hash of the one before. */
  private async createCheckpoints(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ledger_checkpoints (
        number        bigint      NOT NULL,
        previous_hash bytea,
        hash          bytea       NOT NULL,
        batches       integer     NOT NULL,
        tokens        bigint      NOT NULL,
        signed        text        NOT NULL,
        created_at    timestamptz NOT NULL,
        CONSTRAINT ledger_checkpoints_pkey PRIMARY KEY (number),
        CONSTRAINT ledger_checkpoints_previous_hash_check CHECK (
          number >= 1 AND (number = 1) = (previous_hash IS NULL)),
        CONSTRAINT ledger_checkpoints_hash_check CHECK (hash = sha256(convert_to(signed, 'UTF8'))),
        CONSTRAINT ledger_checkpoints_tokens_check CHECK (batches >= 1 AND tokens >= batches)
      )`);
    await runner.query(`
      CREATE TRIGGER ledger_checkpoints_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION ledger_checkpoints_follow() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.previous_hash IS DISTINCT FROM
          (SELECT hash FROM ledger_checkpoints WHERE number = NEW.number - 1)
        THEN
          RAISE EXCEPTION 'a checkpoint must follow the one before'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'ledger_checkpoints_follow_check';
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER ledger_checkpoints_follow BEFORE INSERT ON ledger_checkpoints
      FOR EACH ROW EXECUTE FUNCTION ledger_checkpoints_follow()`);
  }

  /**
   * The chains. Each process has its own and writes one batch after the other, so nobody waits for a
   * number. The hash of a batch covers its rows and the hash of the batch before.
   */
  private async createBatches(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ledger_batches (
        chain_id          uuid    NOT NULL,
        number            integer NOT NULL,
        previous_hash     bytea   NOT NULL,
        hash              bytea   NOT NULL,
        tokens            integer NOT NULL,
        first_jti         uuid    NOT NULL,
        last_jti          uuid    NOT NULL,
        policy_digest     bytea   NOT NULL,
        checkpoint_number bigint,
        CONSTRAINT ledger_batches_pkey PRIMARY KEY (chain_id, number),
        CONSTRAINT ledger_batches_number_check CHECK (number >= 0),
        CONSTRAINT ledger_batches_hash_check
          CHECK (octet_length(previous_hash) = 32 AND octet_length(hash) = 32),
        CONSTRAINT ledger_batches_tokens_check CHECK (tokens >= 1 AND first_jti <= last_jti),
        CONSTRAINT ledger_batches_checkpoint_number_fkey
          FOREIGN KEY (checkpoint_number) REFERENCES ledger_checkpoints (number)
      )`);
    // One index for both questions: which batches a checkpoint covers, and which none covers yet.
    await runner.query(`
      CREATE INDEX ledger_batches_checkpoint_number_idx
      ON ledger_batches (checkpoint_number, chain_id, number)`);
    // A batch comes under a checkpoint, once and for good. Nothing else of it changes.
    await runner.query(`
      CREATE TRIGGER ledger_batches_unchanged BEFORE UPDATE ON ledger_batches
      FOR EACH ROW WHEN (
        OLD.checkpoint_number IS NOT NULL
        OR (to_jsonb(OLD) - 'checkpoint_number') IS DISTINCT FROM
           (to_jsonb(NEW) - 'checkpoint_number'))
      EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER ledger_batches_keep BEFORE TRUNCATE ON ledger_batches
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  /** The signed note that remains of a day excuses its missing rows and batches. */
  private async createDroppedDays(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ledger_dropped_days (
        day              date        NOT NULL,
        tokens           bigint      NOT NULL,
        first_checkpoint bigint,
        last_checkpoint  bigint,
        dropped_at       timestamptz NOT NULL,
        signed           text        NOT NULL,
        CONSTRAINT ledger_dropped_days_pkey PRIMARY KEY (day),
        CONSTRAINT ledger_dropped_days_checkpoint_check
          CHECK ((first_checkpoint IS NULL) = (last_checkpoint IS NULL))
      )`);
    await runner.query(`
      CREATE TRIGGER ledger_dropped_days_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_dropped_days
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION ledger_batches_outlive_their_day() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(OLD.first_jti)) THEN
          RETURN OLD;
        END IF;
        RAISE EXCEPTION '% on % is refused: its day is kept', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'restrict_violation';
      END $$`);
    await runner.query(`
      CREATE TRIGGER ledger_batches_keep_day BEFORE DELETE ON ledger_batches
      FOR EACH ROW EXECUTE FUNCTION ledger_batches_outlive_their_day()`);
  }

  /**
   * A day goes in two steps of one transaction, so that the service can sign the note in between: the
   * first counts what the note says, the second writes the note and drops the day.
   */
  private async createDrop(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION count_issued_tokens_partition(
        counted date, OUT ready boolean, OUT tokens bigint, OUT first_checkpoint bigint,
        OUT last_checkpoint bigint)
      LANGUAGE plpgsql AS $$
      BEGIN
        CREATE TEMPORARY TABLE IF NOT EXISTS dropped_batches
          (chain_id uuid, number integer, tokens bigint) ON COMMIT DROP;
        TRUNCATE dropped_batches;
        EXECUTE format('INSERT INTO dropped_batches
          SELECT chain_id, batch_number, count(*) FROM %I GROUP BY 1, 2',
          issued_tokens_partition(counted));
        SELECT count(*) FILTER (WHERE b.chain_id IS NOT NULL AND b.checkpoint_number IS NULL) = 0,
               coalesce(sum(d.tokens), 0), min(b.checkpoint_number), max(b.checkpoint_number)
        INTO ready, count_issued_tokens_partition.tokens, first_checkpoint, last_checkpoint
        FROM dropped_batches d LEFT JOIN ledger_batches b USING (chain_id, number);
      END $$`);
    // Each chain keeps the last batch of its dropped days, because the next batch names its hash.
    await runner.query(`
      CREATE FUNCTION drop_issued_tokens_partition(
        dropped date, tokens bigint, first_checkpoint bigint, last_checkpoint bigint,
        at timestamptz, signed text) RETURNS void
      LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO ledger_dropped_days
          (day, tokens, first_checkpoint, last_checkpoint, dropped_at, signed)
        VALUES ($1, $2, $3, $4, $5, $6);
        DELETE FROM ledger_batches b USING dropped_batches d
        WHERE b.chain_id = d.chain_id AND b.number = d.number - 1
          AND EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(b.first_jti));
        -- Last: from here to the commit nobody else can read or write the ledger.
        EXECUTE format('DROP TABLE %I', issued_tokens_partition(dropped));
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION drop_issued_tokens_partition(date, bigint, bigint, bigint, timestamptz, text)`);
    await runner.query(`DROP FUNCTION count_issued_tokens_partition(date)`);
    await runner.query(`DROP TABLE ledger_batches`);
    await runner.query(`DROP FUNCTION ledger_batches_outlive_their_day()`);
    await runner.query(`DROP TABLE ledger_dropped_days`);
    await runner.query(`DROP TABLE ledger_checkpoints`);
    await runner.query(`DROP FUNCTION ledger_checkpoints_follow()`);
    await runner.query(`DROP TABLE issued_tokens`);
    await runner.query(`DROP FUNCTION issued_tokens_check_insert()`);
    await runner.query(`DROP FUNCTION create_issued_tokens_partition(date)`);
    await runner.query(`DROP FUNCTION issued_tokens_days()`);
    await runner.query(`DROP FUNCTION issued_tokens_partition(date)`);
    await runner.query(`DROP FUNCTION day_of_jti(uuid)`);
    await runner.query(`DROP FUNCTION first_jti_of(date)`);
    await runner.query(`DROP SEQUENCE status_indices`);
    await runner.query(`DROP TABLE policy_snapshots`);
    await runner.query(`DROP TABLE catalog_snapshots`);
    await runner.query(`DROP TABLE scope_sets`);
  }
}
