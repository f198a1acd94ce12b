import { createTables, insert, keyRow, type Tables } from '../persistence/rows.js';
import { installStopPoint } from '../support/stop-point.js';

let tables: Tables;
beforeEach(async () => {
  tables = await createTables();
});
afterEach(() => tables.drop());

const countKeys = async () => (await tables.pool.query('SELECT FROM signing_keys')).rowCount;
const add = () => insert(tables.pool, 'signing_keys', keyRow('next'));

describe('a stop point', () => {
  it.each([
    { event: 'BEFORE INSERT', atCommit: false },
    { event: 'AFTER INSERT', atCommit: true },
  ])('stops a statement there until it is released: $event', async ({ event, atCommit }) => {
    const point = await installStopPoint(tables.pool, { table: 'signing_keys', event, atCommit });
    const adding = add();
    await point.reached();
    await expect(countKeys()).resolves.toBe(0);
    await point.release();
    await adding;
    await expect(countKeys()).resolves.toBe(1);
  });

  it('cuts off a connection that waits there, and nothing is committed', async () => {
    const point = await installStopPoint(tables.pool, {
      table: 'signing_keys',
      event: 'AFTER INSERT',
    });
    const failing = expect(add()).rejects.toMatchObject({ code: '57P01' });
    await point.reached();
    await point.cutOff();
    await failing;
    await expect(countKeys()).resolves.toBe(0);
    await add();
  });

  it('does not stop rows that its condition excludes', async () => {
    const when = `NEW.phase = 'current'`;
    const about = { table: 'signing_keys', event: 'BEFORE INSERT', when };
    const point = await installStopPoint(tables.pool, about);
    await add();
    await point.release();
    await expect(countKeys()).resolves.toBe(1);
  });
});
