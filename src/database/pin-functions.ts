import type { Client } from 'pg';

/**
 * Functions of this service that are not bound to its schema yet. They belong to the role that made its
 * tables. Other programs may have functions of their own in the same schema.
 */
const UNPINNED = `
  SELECT oid::regprocedure::text AS name FROM pg_proc
  WHERE pronamespace = quote_ident($1)::regnamespace AND prokind = 'f' AND prolang IN (
      SELECT oid FROM pg_language WHERE lanname IN ('plpgsql', 'sql'))
    AND proowner = (SELECT relowner FROM pg_class
      WHERE relname = 'migrations' AND relnamespace = pronamespace)
    AND NOT EXISTS (SELECT FROM pg_depend
      WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=' || quote_ident($1) || ', pg_temp']`;

/**
 * Binds each function to this schema. Then the functions of triggers find its tables under every search_path
 * of their caller: pg_restore has an empty one. Done at each start, because a migration that replaces a
 * function, or an administrator who renames the schema, would undo it.
 */
export async function pinFunctions(client: Client, schema: string): Promise<void> {
  const path = `${client.escapeIdentifier(schema)}, pg_temp`;
  const { rows } = await client.query<{ name: string }>(UNPINNED, [schema]);
  for (const { name } of rows) {
    await client.query(`ALTER FUNCTION ${name} SET search_path = ${path}`);
  }
}
