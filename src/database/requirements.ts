import type { Client } from 'pg';
import { DatabaseClosedError } from './database-closed.js';
import { PINNED_SETTINGS, processIdOf } from './session-settings.js';

const OLDEST_SERVER = 140_000;

interface Found {
  readonly version: number;
  readonly encoding: string;
  readonly role: string;
  readonly database: string;
  readonly serverProcess: number;
  /** The schema in which a new table would be made; null when the search_path leads to none. */
  readonly current: string | null;
  /** The schemas of the search_path that have tables of this service, in its order. */
  readonly homes: readonly string[];
  /** Other schemas that have tables of this service which belong to this role. */
  readonly elsewhere: readonly string[];
  /** The schemas of the search_path in which this role may make tables. */
  readonly creatable: readonly string[];
  readonly hasExtension: boolean;
  readonly isExtensionThere: boolean;
  readonly mayInstall: boolean;
  /** Names, and what a session has without a change of its own, as `pg_settings` writes it. */
  readonly defaults: readonly (readonly [name: string, value: string])[];
}

/** Two tables mark an installation: the list of its migrations, and its signing keys. */
const LOOK = `
  WITH installed AS (
    SELECT nspname, pg_get_userbyid(keys.relowner) = current_user AS own
    FROM pg_class keys JOIN pg_namespace n ON n.oid = keys.relnamespace
    WHERE keys.relname = 'signing_keys' AND keys.relkind = 'r' AND EXISTS (
      SELECT FROM pg_class WHERE relname = 'migrations' AND relnamespace = n.oid)),
  path AS (SELECT * FROM unnest(current_schemas(false)) WITH ORDINALITY AS p (name, place))
  SELECT current_setting('server_version_num')::integer AS version,
         current_setting('server_encoding') AS encoding,
         current_user::text AS role, current_database()::text AS database,
         pg_backend_pid() AS "serverProcess", current_schema()::text AS current,
         (SELECT coalesce(json_agg(name ORDER BY place), '[]')
          FROM path WHERE name IN (SELECT nspname FROM installed)) AS homes,
         (SELECT coalesce(json_agg(nspname ORDER BY nspname), '[]') FROM installed
          WHERE own AND nspname NOT IN (SELECT name FROM path)) AS elsewhere,
         (SELECT coalesce(json_agg(name), '[]') FROM path
          WHERE has_schema_privilege(name::text, 'CREATE')) AS creatable,
         EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist') AS "hasExtension",
         EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist') AS "isExtensionThere",
         has_database_privilege(current_database(), 'CREATE') AS "mayInstall",
         (SELECT json_agg(json_build_array(name, reset_val)) FROM pg_settings WHERE name = ANY ($1)) AS defaults`;

export interface Requirements {
  /** The variable that names the database. */
  readonly setting: string;
  /** A limit of the administrator may stay behind a pooler when it is longer than this. */
  readonly timeoutMs: number;
  /** Whether tables will be made and changed on this connection. */
  readonly migrates: boolean;
}

/**
 * Checks what this service needs of its database and its role.
 * @returns the schema of its tables, also when they are not made yet
 * @throws {DatabaseClosedError} what an administrator has to correct, with the statements to run
 */
export async function requireUsable(client: Client, wanted: Requirements): Promise<string> {
  const names = PINNED_SETTINGS.map(({ name }) => name);
  const { rows } = await client.query<Found>(LOOK, [names]);
  const [found] = rows;
  if (!found) throw new Error('the database did not answer which database it is');
  const refuse = (text: string) => new DatabaseClosedError(`${wanted.setting}: ${text}`);
  if (found.version < OLDEST_SERVER) {
    throw refuse('the database is older than Postgres 14: upgrade it, or use another one');
  }
  if (found.encoding !== 'UTF8') {
    throw refuse(
      `the encoding of the database ${found.database} is ${found.encoding}, which cannot hold every ` +
        "name: use one that was made with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
    );
  }
  const schema = homeOf(found, refuse);
  if (processIdOf(client) !== found.serverProcess) refuseUnpinned(found, schema, wanted, refuse);
  if (wanted.migrates) requireRights(found, schema, refuse);
  return schema;
}

type Refuse = (text: string) => Error;

function homeOf({ current, homes, elsewhere, role, database }: Found, refuse: Refuse): string {
  const [home] = homes;
  if (home !== undefined) return home;
  const [lost] = elsewhere;
  if (lost !== undefined) {
    // A new installation would begin without keys and licenses, and publish keys of its own.
    throw refuse(
      `the search_path of the role ${role} does not lead to the schema ${lost}, where the tables of ` +
        `this service are. Run: ${alterRole(role, database, 'search_path', quotedName(lost))}. A ` +
        'second installation in this database needs a role of its own',
    );
  }
  if (current !== null) return current;
  throw refuse(
    `the search_path of the role ${role} leads to no schema that it may use. Run: ` +
      `CREATE SCHEMA ${quotedName(role)} AUTHORIZATION ${quotedName(role)}`,
  );
}

/** A pooler in transaction mode keeps no settings, so they have to be right in every session. */
function refuseUnpinned(found: Found, schema: string, wanted: Requirements, refuse: Refuse): void {
  const defaults = new Map(found.defaults);
  const wrong = PINNED_SETTINGS.filter(({ name, fine, reported, limitMs }) => {
    const value = defaults.get(name);
    if (value === undefined || reported || new RegExp(fine).test(value)) return false;
    return !(limitMs && Number(value) >= wanted.timeoutMs);
  }).map(({ name, value }) => [name, quotedText(value)] as const);
  const path = found.current === schema ? [] : [['search_path', quotedName(schema)] as const];
  const statements = [...wrong, ...path].map(([name, value]) =>
    alterRole(found.role, found.database, name, value),
  );
  if (statements.length === 0) return;
  throw refuse(
    'it leads through a pooler, which does not keep the settings of this service, and the role or ' +
      `the database has others. Run: ${statements.join('; ')}; and let the pooler connect again ` +
      '(PgBouncer: RECONNECT)',
  );
}

function requireRights(found: Found, schema: string, refuse: Refuse): void {
  if (!found.creatable.includes(schema)) {
    throw refuse(
      `the role ${found.role} may not create tables in the schema ${schema}. Run as its owner: ` +
        `GRANT USAGE, CREATE ON SCHEMA ${quotedName(schema)} TO ${quotedName(found.role)}`,
    );
  }
  if (found.hasExtension) return;
  if (!found.isExtensionThere) {
    throw refuse(
      'the server of the database lacks the extension btree_gist: install the contrib package of its ' +
        'Postgres',
    );
  }
  if (!found.mayInstall) {
    throw refuse(
      `the role ${found.role} may not install the extension btree_gist. Run as an administrator, in ` +
        `the database ${found.database}: CREATE EXTENSION btree_gist`,
    );
  }
}

function alterRole(role: string, database: string, name: string, value: string): string {
  return `ALTER ROLE ${quotedName(role)} IN DATABASE ${quotedName(database)} SET ${name} = ${value}`;
}

function quotedName(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function quotedText(text: string): string {
  return /^\d+$/.test(text) ? text : `'${text}'`;
}
