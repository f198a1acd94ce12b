import type { EnvironmentReader } from './environment-reader.js';

const KEY_ENCRYPTION_KEY_BYTES = 32;
const MIN_ADMIN_TOKEN_LENGTH = 32;

export interface KeyEncryptionKeys {
  /** 32 bytes. Null only with the embedded Postgres: generated in the data directory. */
  readonly keyEncryptionKey: Buffer | null;
  /** 32 bytes. Values may still be sealed with it; they are sealed again with the new key. */
  readonly keyEncryptionKeyPrevious: Buffer | null;
}

/** An HSM (PKCS #11), on which signing keys are made and stay. */
export interface HsmConfig {
  /** Path of its PKCS #11 library. */
  readonly module: string;
  readonly tokenLabel: string;
  readonly pin: string;
  /** False to leave the HSM: its keys go on until they retire, new keys are made in the process. */
  readonly makesNewKeys: boolean;
}

/** Reads both key-encryption keys. Faults never quote them. */
export function readKeyEncryptionKeys(
  reader: EnvironmentReader,
  embedded: boolean,
): KeyEncryptionKeys {
  const name = 'KEY_ENCRYPTION_KEY';
  const previousName = `${name}_PREVIOUS`;
  const text = reader.secret(name);
  const previousText = reader.secret(previousName);
  const isSet = reader.hasSecret(name);
  if (!isSet && !embedded) {
    reader.faults.push(
      `${name}: required with DATABASE_URL; make one with \`openssl rand -base64 32\` and keep it`,
    );
  } else if (!isSet && reader.hasSecret(previousName)) {
    // Otherwise new values would be sealed with a generated key that nobody knows of.
    reader.faults.push(
      `${name}: required together with ${previousName}, also with the embedded Postgres`,
    );
  }
  if (text !== null && text === previousText) {
    reader.faults.push(`${previousName}: must differ from ${name}`);
  }
  return {
    keyEncryptionKey: keyOf(reader, name, text),
    keyEncryptionKeyPrevious: keyOf(reader, previousName, previousText),
  };
}

function keyOf(reader: EnvironmentReader, name: string, text: string | null): Buffer | null {
  if (text === null) return null;
  const key = Buffer.from(text, 'base64');
  if (key.length === KEY_ENCRYPTION_KEY_BYTES && key.toString('base64') === text) return key;
  reader.faults.push(`${name}: must be ${KEY_ENCRYPTION_KEY_BYTES} bytes in base64`);
  return null;
}

/** All variables of the HSM or none: with one missing, keys would be made in the process unnoticed. */
export function readHsm(reader: EnvironmentReader): HsmConfig | null {
  const values = {
    PKCS11_MODULE: reader.text('PKCS11_MODULE'),
    PKCS11_TOKEN_LABEL: reader.text('PKCS11_TOKEN_LABEL'),
    PKCS11_PIN: reader.secret('PKCS11_PIN'),
  };
  const names = Object.keys(values);
  const isSet = (name: string) =>
    name === 'PKCS11_PIN' ? reader.hasSecret(name) : reader.text(name) !== null;
  const set = names.filter(isSet);
  if (set.length === 0) return null;
  for (const name of names.filter((other) => !set.includes(other))) {
    reader.faults.push(`${name}: required together with ${set.join(' and ')}`);
  }
  const makesNewKeys = reader.boolean('PKCS11_NEW_KEYS', true);
  const { PKCS11_MODULE: module, PKCS11_TOKEN_LABEL: tokenLabel, PKCS11_PIN: pin } = values;
  return module && tokenLabel && pin ? { module, tokenLabel, pin, makesNewKeys } : null;
}

export function readBootstrapAdminToken(reader: EnvironmentReader): string | null {
  const token = reader.text('BOOTSTRAP_ADMIN_TOKEN');
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    reader.faults.push('BOOTSTRAP_ADMIN_TOKEN: must be printable ASCII without spaces');
  } else if (token !== null && token.length < MIN_ADMIN_TOKEN_LENGTH) {
    reader.faults.push(
      `BOOTSTRAP_ADMIN_TOKEN: must have at least ${MIN_ADMIN_TOKEN_LENGTH} characters`,
    );
  }
  return token;
}
