import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import {
  ROTATE_AUXILIARY_KEYS_EVERY_MS,
  RotateAuxiliaryKeys,
} from '../auxiliary-keys/rotate-auxiliary-keys.js';
import { JobRunner } from './job-runner.js';

@Injectable()
export class AuxiliaryKeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly rotation: RotateAuxiliaryKeys,
    private readonly keys: AuxiliaryKeys,
  ) {}

  @Interval(ROTATE_AUXILIARY_KEYS_EVERY_MS)
  async keepAuxiliaryKeys(): Promise<void> {
    await this.runner.run('rotate auxiliary keys', () => this.rotation.carryOutDue());
    await this.runner.run('refresh auxiliary keys', () => this.keys.refresh());
  }
}
