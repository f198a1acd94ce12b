import { randomUUID } from 'node:crypto';
import { createTables, insert, instanceRow, licenseRow, violating, type Tables } from './rows.js';

describe('the sightings of an instance', () => {
  let tables: Tables;
  beforeAll(async () => {
    tables = await createTables(2);
  });
  afterAll(() => tables.drop());

  async function row(about: object = {}): Promise<Record<string, unknown>> {
    const license = licenseRow();
    const instance = instanceRow(license.id);
    await insert(tables.pool, 'licenses', license);
    await insert(tables.pool, 'instances', instance);
    const times = { last_seen_at: '2026-03-01T00:00:00Z' };
    return {
      instance_id: instance.id,
      instance_uuid: instance['instance_uuid'],
      ...times,
      ...about,
    };
  }
  const keep = async (about: object) => insert(tables.pool, 'instance_sightings', await row(about));
  const list = (length: number) => JSON.stringify(Array.from({ length }, () => ({})));

  it.each([
    ['networks', 'networks', list(21)],
    ['host names', 'host_names', list(21)],
    ['absurd numbers', 'absurd_seat_link', `{"numbers": ${list(21)}}`],
  ])('have 20 %s at most', async (_what, column, value) => {
    const constraint = `instance_sightings_${column}_check`;
    await expect(keep({ [column]: value })).rejects.toMatchObject(violating(constraint));
    await keep({ [column]: value.replace('{},', '') });
  });

  it('are of an instance that there is, once', async () => {
    const kept = await row();
    await insert(tables.pool, 'instance_sightings', kept);
    const again = insert(tables.pool, 'instance_sightings', kept);
    await expect(again).rejects.toMatchObject(violating('instance_sightings_pkey'));
    const nobody = keep({ instance_id: randomUUID() });
    await expect(nobody).rejects.toMatchObject(violating('instance_sightings_instance_id_fkey'));
  });

  it('say until when they are suspicious if they are, and only then', async () => {
    const check = violating('instance_sightings_suspicious_until_check');
    await expect(keep({ suspicions: list(1) })).rejects.toMatchObject(check);
    const suspicious_until = '2026-03-15T00:00:00Z';
    await expect(keep({ suspicious_until })).rejects.toMatchObject(check);
    await keep({ suspicions: list(1), suspicious_until });
  });
});
