import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Variables that let a service end TLS with a new certificate for `localhost`, kept in `folder`. */
export async function tlsEnvironment(
  folder: string,
): Promise<{ readonly TLS_CERT_FILE: string; readonly TLS_KEY_FILE: string }> {
  const files = {
    TLS_CERT_FILE: join(folder, 'certificate.pem'),
    TLS_KEY_FILE: join(folder, 'private-key.pem'),
  };
  const { certificate, privateKey } = selfSigned();
  await writeFile(files.TLS_CERT_FILE, certificate);
  await writeFile(files.TLS_KEY_FILE, privateKey, { mode: 0o600 });
  return files;
}

/** An X.509 certificate (RFC 5280 section 4.1), which Node can read but not write. */
function selfSigned(): { certificate: string; privateKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
  const name = der(0x30, der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), utf8('localhost'))));
  const from = der(0x17, Buffer.from('200101000000Z'));
  const until = der(0x18, Buffer.from('20991231235959Z'));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const serial = der(0x02, Buffer.from([1]));
  const body = der(0x30, serial, ecdsaWithSha256, name, der(0x30, from, until), name, spki);
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const encoded = der(0x30, body, ecdsaWithSha256, signature).toString('base64');
  const lines = encoded.match(/.{1,64}/g) ?? [];
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function utf8(text: string): Buffer {
  return der(0x0c, Buffer.from(text));
}

/** One value in DER (X.690 section 8.1): its tag, its length and what it holds. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}
