// Prints what stands on a PKCS #11 token, as JSON. A process of its own, for the library of the token
// reads the environment that the process was started with.
import { createRequire } from 'node:module';

const pkcs11 = createRequire(import.meta.url)('pkcs11js');
const { PKCS11_MODULE, PKCS11_TOKEN_LABEL, PKCS11_PIN } = process.env;
const { CKA_CLASS, CKA_ID, CKA_LABEL, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY } = pkcs11;

const token = new pkcs11.PKCS11();
token.load(PKCS11_MODULE);
token.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK });
const slot = token
  .C_GetSlotList(true)
  .find((one) => token.C_GetTokenInfo(one).label.trimEnd() === PKCS11_TOKEN_LABEL);
const session = token.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION);
token.C_Login(session, pkcs11.CKU_USER, PKCS11_PIN);

const find = (type) => {
  token.C_FindObjectsInit(session, [{ type: CKA_CLASS, value: type }]);
  const found = token.C_FindObjects(session, 1000);
  token.C_FindObjectsFinal(session);
  return found;
};
const flag = (object, type) =>
  token.C_GetAttributeValue(session, object, [{ type }])[0].value[0] === 1;
const told = (object, type) => {
  try {
    return token.C_GetAttributeValue(session, object, [{ type }])[0].value.toString('hex');
  } catch (error) {
    return error.message;
  }
};
const nameOf = (object) => {
  const [id, label] = token.C_GetAttributeValue(session, object, [
    { type: CKA_ID },
    { type: CKA_LABEL },
  ]);
  return { id: id.value.toString(), label: label.value.toString() };
};

const keys = find(CKO_PRIVATE_KEY).map((object) => ({
  ...nameOf(object),
  sensitive: flag(object, pkcs11.CKA_SENSITIVE),
  extractable: flag(object, pkcs11.CKA_EXTRACTABLE),
  signs: flag(object, pkcs11.CKA_SIGN),
  deciphers: flag(object, pkcs11.CKA_DECRYPT) || flag(object, pkcs11.CKA_UNWRAP),
  privateExponent: told(object, pkcs11.CKA_PRIVATE_EXPONENT),
  prime: told(object, pkcs11.CKA_PRIME_1),
}));
const publicIds = find(CKO_PUBLIC_KEY).map((object) => nameOf(object).id);
process.stdout.write(JSON.stringify({ keys, publicIds }));
token.C_Finalize();
