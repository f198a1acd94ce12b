import { Client } from 'pg';
import { recordNamespacePurchase } from '../support/builders.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const WRITERS = 64;
const SEATS = 10;

describe('64 writers on 10 seats', () => {
  let issuer: TestIssuer;
  beforeEach(async () => {
    issuer = await startTestIssuer({ environment: { DATABASE_POOL_SIZE: '40' } });
  });
  afterEach(() => issuer.stop());

  /** Each asks for a seat for a user of its own. @returns the statuses, counted */
  async function write(): Promise<{ readonly statuses: Record<number, number>; held: number }> {
    const days = { started_at: null, expires_on: '9999-01-01' };
    const purchase = await recordNamespacePurchase(issuer, '9', { quantity: SEATS, ...days });
    const path = `add_on_purchases/${purchase.id}/seat_assignments`;
    const responses = await Promise.all(
      Array.from({ length: WRITERS }, (_, user) =>
        issuer.admin('POST', path, { user_ids: [String(user)] }),
      ),
    );
    const statuses: Record<number, number> = {};
    for (const { status } of responses) statuses[status] = (statuses[status] ?? 0) + 1;
    const list = await issuer.admin('GET', `${path}?per_page=100`);
    return { statuses, held: ((await list.json()) as { items: unknown[] }).items.length };
  }

  it('get ten, and no eleventh', async () => {
    expect(await write()).toEqual({ statuses: { 201: 10, 409: 54 }, held: 10 });
  });

  it('get more without the constraint: nothing else keeps them', async () => {
    const client = new Client({ connectionString: issuer.database.url });
    await client.connect();
    await client.query(
      'ALTER TABLE add_on_purchases DROP CONSTRAINT add_on_purchases_assigned_seats_check',
    );
    await client.end();
    expect(await write()).toEqual({ statuses: { 201: WRITERS }, held: WRITERS });
  });
});
