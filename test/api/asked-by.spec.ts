import { Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { dataSourceOptions } from '../../src/data-source.js';
import { AccessControlModule } from '../../src/access-control/access-control.module.js';
import { AdminApi, AskedBy } from '../../src/access-control/admin-api.js';
import type { Principal } from '../../src/access-control/api-tokens.js';
import { AppModule } from '../../src/app.module.js';
import { loadCatalog } from '../../src/catalog/load-catalog.js';
import { shippedCatalogDirectory } from '../../src/catalog/shipped-catalog.js';
import { httpServer } from '../../src/http/http-server.js';
import { Clock } from '../../src/platform/clock.js';
import { Database } from '../../src/database/database.js';
import { createLogger } from '../../src/platform/logging.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

@AdminApi('test')
class EchoController {
  @Get('asked_by')
  read(@AskedBy() principal: Principal): Principal {
    return principal;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

describe('a handler of the admin API', () => {
  let issuer: TestIssuer;
  let app: NestFastifyApplication;
  beforeAll(async () => {
    issuer = await startTestIssuer();
    const { config } = issuer.running;
    const logger = createLogger('silent');
    const catalog = loadCatalog(shippedCatalogDirectory());
    const dataSource = dataSourceOptions(config);
    const clock = new Clock();
    const house = AppModule.on({ config, dataSource, catalog, clock, logger });
    app = await NestFactory.create<NestFastifyApplication>(
      { module: EchoModule, imports: [house, AccessControlModule] },
      httpServer(config, logger, null),
      { logger: false, bodyParser: false },
    );
    await app.get(Database).connect(issuer.database.url);
    await app.init();
  });
  afterAll(async () => {
    await app.close();
    await issuer.stop();
  });

  it('is told by name whose API token it answers', async () => {
    const authorization = `Bearer ${issuer.adminToken}`;
    const answers = await Promise.all(
      [1, 2].map(() => app.inject({ url: '/api/v1/asked_by', headers: { authorization } })),
    );
    for (const answer of answers) {
      expect(answer.json()).toMatchObject({ name: 'bootstrap', role: 'owner' });
    }
  });
});
