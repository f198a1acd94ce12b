import { ReleaseAbandonedSeats } from '../../src/add-on-purchases/release-abandoned-seats.js';
import { select } from '../contract/ledger.js';
import { assignSeats, recordNamespacePurchase } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

describe('the seats of a purchase that is over', () => {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00Z'));
  let issuer: TestIssuer;
  let namespaces = 0;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { LEDGER_RETENTION_DAYS: '30' } });
  });
  beforeEach(() => {
    clock.set('2026-03-01T12:00:00Z');
  });
  afterAll(() => issuer.stop());

  const release = () => issuer.running.app.get(ReleaseAbandonedSeats).run();
  async function withSeats(about: Record<string, unknown>): Promise<string> {
    namespaces += 1;
    const { id } = await recordNamespacePurchase(issuer, `n${namespaces}`, about);
    await assignSeats(issuer, id, '7', '8');
    return id;
  }
  async function held(id: string): Promise<unknown> {
    const purchase = await issuer.admin('GET', `add_on_purchases/${id}`);
    return ((await purchase.json()) as { assigned_seats: number }).assigned_seats;
  }

  it('are released 14 days after its end, and not a millisecond before', async () => {
    const id = await withSeats({ expires_on: '2026-03-05' });
    clock.set('2026-03-18T23:59:59.999Z');
    expect(await release()).toBe(0);
    expect(await held(id)).toBe(2);
    clock.set('2026-03-19T00:00:00Z');
    expect(await release()).toBe(2);
    expect(await held(id)).toBe(0);
    expect(await release()).toBe(0);
  });

  it('are there again when it is prolonged in time', async () => {
    const id = await withSeats({ expires_on: '2026-03-05' });
    clock.set('2026-03-18T12:00:00Z');
    await issuer.admin('PATCH', `add_on_purchases/${id}`, { expires_on: '2026-04-05' });
    clock.set('2026-03-20T12:00:00Z');
    expect(await release()).toBe(0);
    expect(await held(id)).toBe(2);
  });

  it('are released at once when it was called off before its start', async () => {
    const id = await withSeats({ started_at: '2026-06-01' });
    await issuer.admin('DELETE', `add_on_purchases/${id}`);
    expect(await release()).toBe(2);
    expect(await held(id)).toBe(0);
  });

  it('are forgotten when no token of their time is in the ledger any more', async () => {
    const id = await withSeats({ started_at: '2026-06-01' });
    await issuer.admin('DELETE', `add_on_purchases/${id}`);
    await release();
    const rows = async () => {
      await release();
      const sql = 'SELECT 1 FROM seat_assignments WHERE add_on_purchase_id = $1';
      return (await select(issuer, sql, [id])).length;
    };
    clock.set('2026-04-08T12:00:00Z');
    expect(await rows()).toBe(2);
    clock.set('2026-04-08T12:00:00.001Z');
    expect(await rows()).toBe(0);
  });

  it('are released by many replicas at once, each once', async () => {
    await withSeats({ expires_on: '2026-03-05' });
    clock.set('2026-03-19T00:00:00Z');
    const released = await Promise.all([release(), release(), release()]);
    expect(released.reduce((sum, one) => sum + one, 0)).toBe(2);
  });
});
