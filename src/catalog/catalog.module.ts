import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { CatalogController } from './catalog.controller.js';
import { CatalogStore } from './catalog.service.js';
import type { LoadedCatalog } from './load-catalog.js';

/** The catalog in force; most rooms use it. */
@Global()
@Module({})
export class CatalogModule {
  static with(catalog: LoadedCatalog): DynamicModule {
    return {
      module: CatalogModule,
      imports: [AccessControlModule],
      controllers: [CatalogController],
      providers: [{ provide: CatalogStore, useValue: new CatalogStore(catalog) }],
      exports: [CatalogStore],
    };
  }
}
