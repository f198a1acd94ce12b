import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Making two RSA keys takes half of a start. So the n-th RSA key of every spec file is the same one:
 * the first file that asks for it makes it and keeps it in the run's folder. Within a file no key
 * comes twice. Child processes (child-issuer.ts) make keys of their own.
 */
let asked = 0;

async function keyPair(type: 'rsa' | 'ec', options: KeyOptions): Promise<KeyPair> {
  const folder = process.env.TEST_KEYS_FOLDER;
  if (type !== 'rsa' || folder === undefined) return makeKeyPair(type, options);
  const path = join(folder, `${options.modulusLength ?? 0}-${(asked += 1)}.pem`);
  if (!existsSync(path)) {
    const { privateKey } = await makeKeyPair(type, options);
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    // Another worker may have made it meanwhile. Either key will do.
    renameSync(draft, path);
    return { privateKey, publicKey: createPublicKey(privateKey) };
  }
  const privateKey = createPrivateKey(readFileSync(path));
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

interface KeyOptions {
  readonly modulusLength?: number;
  readonly namedCurve?: string;
}

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function makeKeyPair(type: 'rsa' | 'ec', options: KeyOptions): Promise<KeyPair> {
  return new Promise((done, failed) => {
    // One signature for both types: the overloads of Node's own differ in their options only.
    const make = generateKeyPair as (
      type: string,
      options: KeyOptions,
      callback: (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) => void,
    ) => void;
    make(type, options, (error, publicKey, privateKey) => {
      if (error) failed(error);
      else done({ publicKey, privateKey });
    });
  });
}

// The service and the mock issuer call promisify(generateKeyPair), which takes this function then.
Object.defineProperty(generateKeyPair, promisify.custom, { value: keyPair, configurable: true });
