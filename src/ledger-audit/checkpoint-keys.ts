import { Injectable } from '@nestjs/common';
import { compactVerify, errors, importJWK, type JWK } from 'jose';
import { AuxiliaryKeys } from '../auxiliary-keys/auxiliary-keys.service.js';

const CHECKPOINT = 'ledger-checkpoint+jwt';
const DROPPED_DAY = 'ledger-dropped-day+jwt';

/** Verifies checkpoints and notes of dropped days with the auxiliary keys that signed them. */
@Injectable()
export class CheckpointKeys {
  private readonly known = new Map<string, JWK>();

  constructor(private readonly keys: AuxiliaryKeys) {}

  /** The claims of a checkpoint; null when it was not signed by a key of ours. */
  async open(signed: string): Promise<unknown> {
    return this.openAs(CHECKPOINT, signed);
  }

  /** The claims of the note of a dropped day; null as for `open`. */
  async openDroppedDay(signed: string): Promise<unknown> {
    return this.openAs(DROPPED_DAY, signed);
  }

  private async openAs(typ: string, signed: string): Promise<unknown> {
    try {
      const { payload, protectedHeader } = await compactVerify(
        signed,
        async ({ kid }) => importJWK(await this.publicKey(kid ?? '')),
        { algorithms: ['ES256'] },
      );
      if (protectedHeader.typ !== typ) return null;
      return JSON.parse(Buffer.from(payload).toString('utf8')) as unknown;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }

  private async publicKey(kid: string): Promise<JWK> {
    const known = this.known.get(kid);
    if (known) return known;
    const key = await this.keys.trusted(kid);
    if (!key) throw new errors.JWKSNoMatchingKey();
    this.known.set(kid, { ...key });
    return { ...key };
  }
}
