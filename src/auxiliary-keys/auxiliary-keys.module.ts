import { Module } from '@nestjs/common';
import { AuxiliaryKeyRepository } from './auxiliary-key.repository.js';
import { AuxiliaryKeys } from './auxiliary-keys.service.js';
import { RotateAuxiliaryKeys } from './rotate-auxiliary-keys.js';

@Module({
  providers: [AuxiliaryKeyRepository, AuxiliaryKeys, RotateAuxiliaryKeys],
  exports: [AuxiliaryKeys, RotateAuxiliaryKeys],
})
export class AuxiliaryKeysModule {}
