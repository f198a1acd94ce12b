import { createRequire } from 'node:module';
import { HsmError } from './hsm-error.js';

export type Handle = Buffer;

export interface Attribute {
  readonly type: number;
  readonly value?: number | boolean | string | Buffer;
}

type Template = readonly Attribute[];

/** The part of `pkcs11js` that we use. The package is optional, so its own types may be missing. */
export interface Cryptoki {
  load(path: string): void;
  C_Initialize(options: { readonly flags: number }): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string };
  C_GetMechanismList(slot: Handle): number[];
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, user: number, pin: string): void;
  C_GenerateKeyPairAsync(
    session: Handle,
    mechanism: { readonly mechanism: number },
    publicKey: Template,
    privateKey: Template,
  ): Promise<{ readonly publicKey: Handle; readonly privateKey: Handle }>;
  C_SignInit(session: Handle, mechanism: { readonly mechanism: number }, key: Handle): void;
  C_SignAsync(session: Handle, data: Buffer, signature: Buffer): Promise<Buffer>;
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    template: Template,
  ): { readonly type: number; readonly value: Buffer }[];
  C_SetAttributeValue(session: Handle, object: Handle, template: Template): void;
  C_DestroyObject(session: Handle, object: Handle): void;
  C_FindObjectsInit(session: Handle, template: Template): void;
  C_FindObjects(session: Handle, most: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
}

/** Numbers of PKCS #11 2.40 (pkcs11t.h). */
export const CKF = { OS_LOCKING_OK: 0x2, RW_SESSION: 0x2, SERIAL_SESSION: 0x4 } as const;
export const CKU_USER = 1;
export const CKO = { PUBLIC_KEY: 0x2, PRIVATE_KEY: 0x3 } as const;
export const CKM = { RSA_PKCS_KEY_PAIR_GEN: 0x0, RSA_PKCS: 0x1, SHA256_RSA_PKCS: 0x40 } as const;
export const CKA = {
  CLASS: 0x0,
  TOKEN: 0x1,
  PRIVATE: 0x2,
  LABEL: 0x3,
  ID: 0x102,
  SENSITIVE: 0x103,
  DECRYPT: 0x105,
  UNWRAP: 0x107,
  SIGN: 0x108,
  SIGN_RECOVER: 0x109,
  VERIFY: 0x10a,
  MODULUS: 0x120,
  MODULUS_BITS: 0x121,
  PUBLIC_EXPONENT: 0x122,
  EXTRACTABLE: 0x162,
} as const;

/** @throws {HsmError} when `pkcs11js` is not installed or the library cannot be loaded */
export function loadCryptoki(module: string): Cryptoki {
  let binding: { readonly PKCS11: new () => Cryptoki };
  try {
    binding = createRequire(__filename)('pkcs11js') as typeof binding;
  } catch {
    throw new HsmError(
      'PKCS11_MODULE needs the npm package pkcs11js, which is not installed. npm compiles this optional ' +
        'dependency: install a C++ compiler, make and python3, and run `npm ci` again',
    );
  }
  const cryptoki = new binding.PKCS11();
  try {
    cryptoki.load(module);
  } catch {
    throw new HsmError(`PKCS11_MODULE: ${module} cannot be loaded as a PKCS #11 library`);
  }
  return cryptoki;
}
