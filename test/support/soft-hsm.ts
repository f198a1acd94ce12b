import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
];
const MODULE = MODULES.find((path) => existsSync(path));
const LABEL = 'issuer-test';

/** A token (HSM) in software, of the test's own. */
export interface SoftHsm {
  /** The variables with which a process uses the token. */
  readonly environment: {
    readonly SOFTHSM2_CONF: string;
    readonly PKCS11_MODULE: string;
    readonly PKCS11_TOKEN_LABEL: string;
    readonly PKCS11_PIN: string;
  };
  /** Runs a script of this folder with the token. @returns what it prints */
  run(script: string): Promise<string>;
  /** What stands on it, as its library tells. */
  read(): Promise<TokenContent>;
  /** As when the token is unplugged. */
  pullOut(): Promise<void>;
  putBack(): Promise<void>;
  remove(): Promise<void>;
}

export interface TokenContent {
  readonly keys: readonly {
    readonly id: string;
    readonly label: string;
    readonly sensitive: boolean;
    readonly extractable: boolean;
    readonly signs: boolean;
    readonly deciphers: boolean;
    /** In hex, or the code with which the token refuses to tell it. */
    readonly privateExponent: string;
    readonly prime: string;
  }[];
  readonly publicIds: readonly string[];
}

/** Why there can be no token here; null when there can. */
export function softHsmMissing(): string | null {
  if (!MODULE || spawnSync('softhsm2-util', ['--version']).status !== 0) {
    return 'no SoftHSM here (Debian package softhsm2)';
  }
  try {
    createRequire(__filename).resolve('pkcs11js/build/Release/pkcs11.node');
    return null;
  } catch {
    return 'npm could not compile the optional dependency pkcs11js here (g++, make, python3)';
  }
}

/** @param settings more lines of softhsm2.conf */
export async function createSoftHsm(settings = ''): Promise<SoftHsm> {
  const folder = await mkdtemp(join(tmpdir(), 'issuer-softhsm-'));
  await chmod(folder, 0o711);
  await mkdir(join(folder, 'tokens'));
  const SOFTHSM2_CONF = join(folder, 'softhsm2.conf');
  const config = `directories.tokendir = ${join(folder, 'tokens')}\nlog.level = ERROR\n${settings}\n`;
  await writeFile(SOFTHSM2_CONF, config);
  const environment = {
    SOFTHSM2_CONF,
    PKCS11_MODULE: MODULE ?? '',
    PKCS11_TOKEN_LABEL: LABEL,
    PKCS11_PIN: 'pin-of-the-test-token',
  };
  const run = promisify(execFile);
  const options = { env: { PATH: '/usr/bin:/bin', ...environment } };
  const pins = ['--so-pin', 'so-pin-of-the-test', '--pin', environment.PKCS11_PIN];
  await run('softhsm2-util', ['--init-token', '--free', '--label', LABEL, ...pins], options);
  const runScript = async (script: string): Promise<string> =>
    (await run(process.execPath, [join(__dirname, script)], options)).stdout;
  return {
    environment,
    run: runScript,
    read: async () => JSON.parse(await runScript('read-token.mjs')) as TokenContent,
    pullOut: async () => {
      await rename(join(folder, 'tokens'), join(folder, 'aside'));
      await mkdir(join(folder, 'tokens'));
    },
    putBack: async () => {
      await rm(join(folder, 'tokens'), { recursive: true });
      await rename(join(folder, 'aside'), join(folder, 'tokens'));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
