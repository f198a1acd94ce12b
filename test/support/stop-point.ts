import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';

export interface StopPointOptions {
  readonly table: string;
  /** As in CREATE TRIGGER: `BEFORE UPDATE OF phase`, say, or `AFTER INSERT`. */
  readonly event: string;
  /** Which rows stop their writer, as an expression over NEW and OLD; without it, all. */
  readonly when?: string;
  /** Stop where the transaction commits, all its statements done; `event` has to be an AFTER. */
  readonly atCommit?: boolean;
}

export interface StopPoint {
  /** Resolves once a transaction stands at the point. */
  reached(): Promise<void>;
  /** Lets the stopped writers go on, and stops no further ones. */
  release(): Promise<void>;
  /**
   * Ends the sessions that stand there, uncommitted, and stops nobody any more. To be called once
   * their process was killed: a server that waits for a lock does not notice that its client is
   * gone, and would still finish and commit a lone statement.
   */
  cutOff(): Promise<void>;
}

/**
 * Holds transactions of the service at one step, so that a test may kill the process exactly there,
 * without a hook in the service: a trigger in the test's own database waits for an advisory lock that
 * the test holds. Takes one connection of `pool` until it is released, and needs another to look.
 */
export async function installStopPoint(pool: Pool, options: StopPointOptions): Promise<StopPoint> {
  const key = randomInt(1, 2 ** 31);
  // Triggers of one event run in the order of their names: this one after the service's own.
  const name = `zz_stop_point_${key}`;
  const holder = await pool.connect();
  await holder.query('SELECT pg_advisory_lock($1)', [key]);
  await holder.query(`
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock_shared(${key});
      IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
      RETURN NEW;
    END $$`);
  await holder.query(`
    CREATE ${options.atCommit ? 'CONSTRAINT TRIGGER' : 'TRIGGER'} ${name}
    ${options.event} ON ${options.table} ${options.atCommit ? 'INITIALLY DEFERRED' : ''}
    FOR EACH ROW ${options.when === undefined ? '' : `WHEN (${options.when})`}
    EXECUTE FUNCTION ${name}()`);
  const remove = async (): Promise<void> => {
    await holder.query('SELECT pg_advisory_unlock($1)', [key]);
    await holder.query(`DROP FUNCTION ${name}() CASCADE`);
    holder.release();
  };
  return {
    reached: async () => {
      while ((await waitingFor(pool, key)).length === 0) await sleep(5);
    },
    release: remove,
    cutOff: async () => {
      for (const pid of await waitingFor(pool, key)) {
        await pool.query('SELECT pg_terminate_backend($1, 10000)', [pid]);
      }
      await remove();
    },
  };
}

/** The sessions that wait for the advisory lock `key`. */
async function waitingFor(pool: Pool, key: number): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>(
    `SELECT pid FROM pg_locks
     WHERE locktype = 'advisory' AND NOT granted AND classid = 0 AND objid = $1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [key],
  );
  return rows.map(({ pid }) => pid);
}
