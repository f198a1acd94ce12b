import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Clock } from './clock.js';
import { LOGGER, type Logger } from './logging.js';
import { Metrics } from './metrics.js';
import { SERVICE_CONFIG, type ServiceConfig } from './service-config.js';

/** Providers that every room needs. */
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
        Metrics,
      ],
      exports: [Clock, LOGGER, Metrics, SERVICE_CONFIG],
    };
  }
}
