import type { KeyObject } from 'node:crypto';
import { Client } from 'pg';
import type { EnvironmentReader } from './environment-reader.js';
import { readFileOf } from './read-file.js';
import { certificateOf, privateKeyOf } from './tls-files.js';

/** Parameters of the URL that name files for TLS, as in libpq. */
const [ROOT_CERTIFICATE, CERTIFICATE, KEY] = ['sslrootcert', 'sslcert', 'sslkey'];

/** The URL in the variable `name`. Faults never quote the URL. */
export function readDatabaseUrl(reader: EnvironmentReader, name: string): string | null {
  const text = reader.text(name);
  if (text === null) return null;
  const before = reader.faults.length;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'postgres:' && url?.protocol !== 'postgresql:') {
    reader.faults.push(`${name}: must be a URL like postgres://user:password@host:5432/database`);
  } else if (![url.username, url.password, url.pathname].every(decodes)) {
    reader.faults.push(
      `${name}: has a % that is not followed by two hex digits: write a % in a user, password or database as %25`,
    );
  } else {
    checkFiles(reader.faults, name, url.searchParams);
    if (reader.faults.length === before && !isUnderstood(text)) {
      reader.faults.push(`${name}: has parameters that cannot be used together`);
    }
  }
  return reader.faults.length === before ? text : null;
}

function decodes(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

function checkFiles(faults: string[], name: string, parameters: URLSearchParams): void {
  const fileOf = (parameter: string) => {
    const path = parameters.get(parameter);
    return path ? readFileOf(`${name}, ${parameter}`, path, faults) : null;
  };
  const root = fileOf(ROOT_CERTIFICATE);
  if (root) certificateOf(`${name}, ${ROOT_CERTIFICATE}`, root, faults);
  const [cert, key] = [fileOf(CERTIFICATE), fileOf(KEY)];
  const certificate = cert && certificateOf(`${name}, ${CERTIFICATE}`, cert, faults);
  const privateKey: KeyObject | null = key && privateKeyOf(`${name}, ${KEY}`, key, faults);
  if (certificate && privateKey && !certificate.checkPrivateKey(privateKey)) {
    faults.push(`${name}, ${KEY}: is not the key of the certificate in ${CERTIFICATE}`);
  }
}

/** Whether the driver accepts it. It does not connect. */
function isUnderstood(text: string): boolean {
  try {
    new Client({ connectionString: text });
    return true;
  } catch {
    return false;
  }
}
