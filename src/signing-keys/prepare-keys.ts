import { Injectable } from '@nestjs/common';
import type { KeyStep } from '../domain/plan-key-rotation.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import { type GeneratedKey, proveSignature } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

const NEW_KEYS: Readonly<Record<KeyStep['step'], number>> = {
  publish_first: 2,
  publish_next: 1,
  switch: 1,
  unpublish: 0,
};

/** Makes the keys for a step outside its transaction, because that takes a while. */
@Injectable()
export class PrepareKeys {
  constructor(private readonly keys: SigningKeyRepository) {}

  /**
   * Runs `work` with the new keys of the step, and wipes them afterwards.
   * @throws {UnsealError} when this replica cannot open the existing keys: it must not change them
   */
  async around<Result>(
    step: KeyStep,
    rows: readonly SigningKeyEntity[],
    work: (made: readonly GeneratedKey[]) => Promise<Result>,
  ): Promise<Result> {
    const phase = step.step === 'switch' ? 'next' : 'current';
    const row = step.step === 'unpublish' ? undefined : rows.find((key) => key.phase === phase);
    // With a next key that cannot sign, or that validators cannot verify, every sync would fail.
    if (row) await proveSignature(this.keys.open(row), row.publicJwk);
    const made = await Promise.all(
      Array.from({ length: NEW_KEYS[step.step] }, () => this.keys.generate()),
    );
    try {
      return await work(made);
    } finally {
      for (const { privateKey } of made) privateKey.fill(0);
    }
  }
}
