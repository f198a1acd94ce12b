import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { compactVerify, importJWK } from 'jose';
import { Database } from '../platform/database.js';
import { SigningKeys } from '../signing-keys/signing-keys.service.js';

export interface ReadinessReport {
  readonly status: 'ready' | 'starting';
  readonly checks: {
    readonly keys: 'published' | 'missing';
    readonly signature: 'verified' | 'unproven';
    readonly schema: 'current' | 'unknown';
    readonly database: 'up' | 'away';
  };
}

/**
 * Ready means: the schema is current, and a trial signature was verified with a key as it is
 * published. From then on only the keys count: validators must reach them whatever else is down.
 */
@Injectable()
export class Readiness {
  private schemaCurrent = false;
  private signatureVerified = false;

  constructor(
    private readonly signingKeys: SigningKeys,
    private readonly database: Database,
  ) {}

  markSchemaCurrent(): void {
    this.schemaCurrent = true;
  }

  /** Signs something that is no token and verifies it as a validator would. */
  async proveSignature(): Promise<void> {
    const key = this.signingKeys.current();
    const published = this.signingKeys.published()?.keys.find(({ kid }) => kid === key.kid);
    if (!published) throw new Error('the signing key is not among the published keys');
    const jws = await key.sign(Buffer.from(`trial signature ${randomBytes(16).toString('hex')}`));
    await compactVerify(jws, await importJWK({ ...published }), { algorithms: ['RS256'] });
    this.signatureVerified = true;
  }

  async report(): Promise<ReadinessReport> {
    const keysPublished = this.signingKeys.published() !== null;
    const ready = keysPublished && this.signatureVerified && this.schemaCurrent;
    return {
      status: ready ? 'ready' : 'starting',
      checks: {
        keys: keysPublished ? 'published' : 'missing',
        signature: this.signatureVerified ? 'verified' : 'unproven',
        schema: this.schemaCurrent ? 'current' : 'unknown',
        database: (await this.database.answers()) ? 'up' : 'away',
      },
    };
  }
}
