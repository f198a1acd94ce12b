import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileOf } from './read-file.js';

/** A certificate and its private key, as PEM. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Both files. If one is wrong: null, and faults without paths and contents. */
export function readTlsFiles(
  paths: { readonly certFile: string; readonly keyFile: string },
  faults: string[],
): TlsFiles | null {
  const cert = readFileOf('TLS_CERT_FILE', paths.certFile, faults);
  const key = readFileOf('TLS_KEY_FILE', paths.keyFile, faults);
  const certificate = cert && certificateOf('TLS_CERT_FILE', cert, faults);
  const privateKey = key && privateKeyOf('TLS_KEY_FILE', key, faults);
  if (!certificate || !privateKey) return null;
  if (certificate.checkPrivateKey(privateKey)) return { cert, key };
  faults.push('TLS_KEY_FILE: is not the key of the certificate in TLS_CERT_FILE');
  return null;
}

/** The first certificate of a file: the one of the server. */
export function certificateOf(
  setting: string,
  pem: Buffer,
  faults: string[],
): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    faults.push(`${setting}: the file has no PEM certificate`);
    return null;
  }
}

export function privateKeyOf(setting: string, pem: Buffer, faults: string[]): KeyObject | null {
  if (pem.includes('ENCRYPTED')) {
    faults.push(`${setting}: the key is encrypted: use one without a passphrase`);
    return null;
  }
  try {
    return createPrivateKey(pem);
  } catch {
    faults.push(`${setting}: the file has no PEM private key`);
    return null;
  }
}
