import { Global, Module } from '@nestjs/common';
import { DatabaseMetrics } from './database-metrics.js';
import { Database } from './database.js';
import { Notifications } from './notifications.js';
import { DatabaseWatch } from './state.js';

@Global()
@Module({
  providers: [Database, DatabaseMetrics, DatabaseWatch, Notifications],
  exports: [Database, DatabaseMetrics, DatabaseWatch, Notifications],
})
export class DatabaseModule {}
