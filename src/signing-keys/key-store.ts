import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { PublicJwk } from '../domain/published-document.js';
import { Clock } from '../platform/clock.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';
import { HsmKeys } from './hsm-keys.js';
import { Hsm } from './hsm-session.js';
import {
  type GeneratedKey,
  generateSigningKey,
  type SigningKey,
  signingKeyOf,
} from './signing-key.js';
import { HsmError } from './hsm-error.js';

/** A reference is JSON; PKCS #8 in DER starts with the tag of a SEQUENCE, 0x30. */
const JSON_STARTS = '{'.charCodeAt(0);

/**
 * Where private halves live: in the database, sealed, or on a PKCS #11 token, with only a reference in
 * the database. A row says of itself where its own is, so a change from one to the other needs nothing
 * but rotations.
 */
@Injectable()
export class KeyStore implements OnApplicationShutdown {
  /** The keys on the token; null without one. */
  readonly onToken: HsmKeys | null;
  private readonly token: Hsm | null;
  private readonly madeOnHsm: HsmKeys | null;

  constructor(@Inject(SERVICE_CONFIG) config: ServiceConfig, clock: Clock) {
    this.token = config.pkcs11 && new Hsm(config.pkcs11);
    this.onToken = this.token && new HsmKeys(this.token, config.issuerUrl, clock);
    this.madeOnHsm = config.pkcs11?.makesNewKeys ? this.onToken : null;
  }

  /** @throws {HsmError} */
  async generate(): Promise<GeneratedKey> {
    return this.madeOnHsm ? this.madeOnHsm.generate() : generateSigningKey();
  }

  /**
   * The key whose `GeneratedKey.privateKey` was `privateHalf`, which is wiped.
   * @throws {HsmError} when it is on a token and none is configured
   */
  open(publicJwk: PublicJwk, privateHalf: Buffer): SigningKey {
    if (privateHalf[0] !== JSON_STARTS) return signingKeyOf(publicJwk, privateHalf);
    privateHalf.fill(0);
    if (this.onToken) return this.onToken.open(publicJwk);
    throw new HsmError(
      `signing key ${publicJwk.kid} is on a PKCS #11 token: set PKCS11_MODULE, PKCS11_TOKEN_LABEL ` +
        'and PKCS11_PIN',
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.token?.close();
  }
}
