import { Injectable } from '@nestjs/common';
import type { KeyStep } from '../domain/plan-key-rotation.js';
import { proveSignature } from './prove-signature.js';
import type { SigningKeyEntity } from './signing-key.entity.js';
import type { GeneratedKey } from './signing-key.js';
import { SigningKeyRepository } from './signing-key.repository.js';

const NEW_KEYS: Readonly<Record<KeyStep['step'], number>> = {
  'publish-first': 2,
  'publish-next': 1,
  switch: 1,
  forget: 0,
};

/** Gets ready what a step needs, outside of its transaction: making a key takes a while. */
@Injectable()
export class PrepareKeys {
  constructor(private readonly keys: SigningKeyRepository) {}

  /**
   * Runs `work` with the new keys of the step, which are wiped afterwards: a loser throws its own away.
   * @throws {UnsealError} when this replica cannot open the keys that are there: it must not change them
   */
  async around<Result>(
    step: KeyStep,
    rows: readonly SigningKeyEntity[],
    work: (made: readonly GeneratedKey[]) => Promise<Result>,
  ): Promise<Result> {
    const phase = step.step === 'switch' ? 'next' : 'current';
    const row = step.step === 'forget' ? undefined : rows.find((key) => key.phase === phase);
    // A standby that could not sign, or one that validators could not verify, would end all syncs.
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
