import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';
import { Clock } from './clock.js';
import { Database } from './database.js';
import { DatabaseWatch } from './database-state.js';
import { LOGGER, type Logger } from './logging.js';
import { Metrics } from './metrics.js';
import { Notifications } from './notifications.js';
import { RewrapSealedValues } from './rewrap-sealed-values.js';
import { SEALED_COLUMNS, type SealedColumn } from './sealed-columns.js';
import { Sealing } from './sealing.js';
import { SERVICE_CONFIG, type ServiceConfig } from './service-config.js';

/** What every room stands on. */
@Global()
@Module({})
export class PlatformModule {
  static with(
    config: ServiceConfig,
    logger: Logger,
    clock: Clock,
    sealedColumns: readonly SealedColumn[],
  ): DynamicModule {
    const sealing = new Sealing(config.keyEncryptionKey, config.keyEncryptionKeyPrevious);
    return {
      module: PlatformModule,
      providers: [
        { provide: SERVICE_CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: Clock, useValue: clock },
        { provide: Sealing, useValue: sealing },
        { provide: SEALED_COLUMNS, useValue: sealedColumns },
        AnswerDeadline,
        Database,
        DatabaseWatch,
        Metrics,
        Notifications,
        RewrapSealedValues,
      ],
      exports: [
        AnswerDeadline,
        Clock,
        Database,
        DatabaseWatch,
        LOGGER,
        Metrics,
        Notifications,
        RewrapSealedValues,
        Sealing,
        SERVICE_CONFIG,
      ],
    };
  }
}
