import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AnswerDeadline } from './answer-deadline.js';
import { Clock } from './clock.js';
import { Database } from './database.js';
import { LOGGER, type Logger } from './logging.js';
import { Metrics } from './metrics.js';
import { Notifications } from './notifications.js';
import { Sealing } from './sealing.js';
import { SERVICE_CONFIG, type ServiceConfig } from './service-config.js';

/** What every room stands on. */
@Global()
@Module({})
export class PlatformModule {
  static with(config: ServiceConfig, logger: Logger, clock: Clock): DynamicModule {
    return {
      module: PlatformModule,
      providers: [
        { provide: SERVICE_CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: Clock, useValue: clock },
        { provide: Sealing, useFactory: () => new Sealing(config.keyEncryptionKey) },
        AnswerDeadline,
        Database,
        Metrics,
        Notifications,
      ],
      exports: [
        AnswerDeadline,
        Clock,
        Database,
        LOGGER,
        Metrics,
        Notifications,
        Sealing,
        SERVICE_CONFIG,
      ],
    };
  }
}
