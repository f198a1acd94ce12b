import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import { Database } from '../../src/database/database.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await startTestIssuer();
});
afterAll(() => issuer.stop());

async function keysStatus(): Promise<number> {
  return (await fetch(`${issuer.url}/oauth/discovery/keys`)).status;
}

describe('an unexpected error event', () => {
  it('does not end the service when a connection cannot be accepted', async () => {
    const server = issuer.running.app.getHttpServer();
    expect(() => server.emit('error', new Error('accept EMFILE'))).not.toThrow();
    expect(issuer.logs.join('')).toContain('a connection could not be accepted');
    expect(await keysStatus()).toBe(200);
  });

  it('does not end the service when a connection to the database breaks while it is in use', async () => {
    const { pool } = issuer.running.app.get(Database);
    const held: PoolClient = await pool.connect();
    const { rows } = await held.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    await sleep(100);

    await expect(held.query('SELECT 1')).rejects.toThrow();
    held.release(true);
    expect((await issuer.admin('GET', 'licenses')).status).toBe(200);
  });
});
