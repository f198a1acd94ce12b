import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';
import { RotateAuxiliaryKeys } from '../auxiliary-keys/rotate-auxiliary-keys.js';
import { JobRunner } from './job-runner.js';

const EVERY_MS = 10_000;

@Injectable()
export class AuxiliaryKeyJobs {
  constructor(
    private readonly runner: JobRunner,
    private readonly rotation: RotateAuxiliaryKeys,
    private readonly keys: AuxiliaryKeys,
  ) {}

  @Interval(EVERY_MS)
  async keepAuxiliaryKeys(): Promise<void> {
    await this.runner.run('rotate auxiliary keys', () => this.rotation.carryOutDue());
    await this.runner.run('refresh auxiliary keys', () => this.keys.refresh());
  }
}
