import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/data-source.js';
import { ApiTokenEntity } from '../../src/access-control/api-token.entity.js';
import { digestOf } from '../../src/access-control/api-token-look-up.js';
import { ApiTokens } from '../../src/access-control/api-tokens.js';
import { Clock } from '../../src/platform/clock.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const REPLICAS = 20;
const ROUNDS = 10;

describe('the bootstrap token', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  beforeAll(async () => {
    database = await createTestDatabase();
    const config = { databaseUrl: database.url, databasePoolSize: 66, databaseTimeoutMs: 5000 };
    dataSource = await new DataSource(dataSourceOptions(config)).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('is one, and no replica fails, when all of them set it for the first time at once', async () => {
    const { manager } = dataSource;
    const apiTokens = new ApiTokens(new Clock());
    for (let round = 0; round < ROUNDS; round++) {
      await apiTokens.setBootstrapToken(manager, null);
      const token = randomBytes(32).toString('base64url');
      await atOnce(() =>
        Array.from({ length: REPLICAS }, () =>
          dataSource.transaction((transaction) => apiTokens.setBootstrapToken(transaction, token)),
        ),
      );
      const owner = { digest: digestOf(token), role: 'owner' } as const;
      await expect(manager.existsBy(ApiTokenEntity, owner)).resolves.toBe(true);
    }
    const [tokens] = await manager.query<{ count: string }[]>('SELECT count(*) FROM api_tokens');
    expect(tokens).toEqual({ count: '1' });
  });

  /** Lets every insert come as far as the table, and then all of them go. */
  async function atOnce(start: () => Promise<void>[]): Promise<void> {
    const barrier = dataSource.createQueryRunner();
    await barrier.query('BEGIN; LOCK TABLE api_tokens IN SHARE MODE');
    const started = Promise.all(start());
    await sleep(25);
    await barrier.query('COMMIT');
    await barrier.release();
    await started;
  }
});
