import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { ServiceConfig } from '../platform/service-config.js';
import { RewrapSealedValues } from './rewrap-sealed-values.js';
import { SEALED_COLUMNS, type SealedColumn } from './sealed-columns.js';
import { Sealing } from './sealing.js';

@Global()
@Module({})
export class SealingModule {
  /** @param columns what is sealed again when the key-encryption key changes */
  static with(config: ServiceConfig, columns: readonly SealedColumn[]): DynamicModule {
    const sealing = new Sealing(config.keyEncryptionKey, config.keyEncryptionKeyPrevious);
    return {
      module: SealingModule,
      providers: [
        { provide: Sealing, useValue: sealing },
        { provide: SEALED_COLUMNS, useValue: columns },
        RewrapSealedValues,
      ],
      exports: [RewrapSealedValues, Sealing],
    };
  }
}
