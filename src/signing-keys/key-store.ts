import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Histogram } from 'prom-client';
import type { PublicJwk } from '../domain/published-document.js';
import { Clock } from '../platform/clock.js';
import { Metrics, SECONDS, timed } from '../platform/metrics.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { HsmError } from './hsm-error.js';
import { HsmKeys } from './hsm-keys.js';
import { Hsm } from './hsm-session.js';
import {
  type GeneratedKey,
  generateSigningKey,
  type SigningKey,
  signingKeyOf,
} from './signing-key.js';

/** A reference is JSON. PKCS #8 in DER starts with the tag of a SEQUENCE, 0x30. */
const JSON_STARTS = '{'.charCodeAt(0);

/**
 * Stores private halves: sealed in the database, or on an HSM with a reference in the database. Each row
 * shows where its own private half is, so a move from one to the other needs only rotations.
 */
@Injectable()
export class KeyStore implements OnApplicationShutdown {
  /** Null without an HSM. */
  readonly hsm: HsmKeys | null;
  private readonly device: Hsm | null;
  private readonly makesOnHsm: boolean;
  private readonly seconds: Histogram;

  constructor(@Inject(SERVICE_CONFIG) config: ServiceConfig, clock: Clock, { registry }: Metrics) {
    this.device = config.pkcs11 && new Hsm(config.pkcs11);
    this.hsm = this.device && new HsmKeys(this.device, config.issuerUrl, clock);
    this.makesOnHsm = config.pkcs11?.makesNewKeys ?? false;
    this.seconds = new Histogram({
      name: 'issuer_signature_seconds',
      help: 'Time to sign one service token, including the wait for a thread.',
      buckets: SECONDS,
      registers: [registry],
    });
  }

  /** @throws {HsmError} */
  async generate(): Promise<GeneratedKey> {
    return this.hsm && this.makesOnHsm ? this.hsm.generate() : generateSigningKey();
  }

  /**
   * @param privateHalf what `GeneratedKey.privateKey` was; it is wiped
   * @throws {HsmError} when the key is on an HSM and none is configured
   */
  open(publicJwk: PublicJwk, privateHalf: Buffer): SigningKey {
    const key = this.untimed(publicJwk, privateHalf);
    return {
      ...key,
      sign: (payload) => timed(this.seconds.startTimer(), () => key.sign(payload)),
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.device?.close();
  }

  private untimed(publicJwk: PublicJwk, privateHalf: Buffer): SigningKey {
    if (privateHalf[0] !== JSON_STARTS) return signingKeyOf(publicJwk, privateHalf);
    privateHalf.fill(0);
    if (this.hsm) return this.hsm.open(publicJwk);
    throw new HsmError(
      `signing key ${publicJwk.kid} is on an HSM: set PKCS11_MODULE, PKCS11_TOKEN_LABEL and PKCS11_PIN`,
    );
  }
}
