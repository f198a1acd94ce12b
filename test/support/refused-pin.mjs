// Uses a token with a wrong PIN, makes that PIN the right one, and uses the token again. Prints what each use
// came to: the second may not work, because that would have been a second attempt at the PIN.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const dist = join(import.meta.dirname, '..', '..', 'dist', 'src');
const require = createRequire(import.meta.url);
const { Hsm } = require(join(dist, 'signing-keys/hsm-session.js'));
const { loadCryptoki, CKF, CKU_USER } = require(join(dist, 'signing-keys/hsm-binding.js'));

const WRONG = 'a-wrong-pin';
const { PKCS11_MODULE, PKCS11_TOKEN_LABEL, PKCS11_PIN } = process.env;
const token = new Hsm({
  module: PKCS11_MODULE,
  tokenLabel: PKCS11_TOKEN_LABEL,
  pin: WRONG,
  makesNewKeys: true,
});
const use = () =>
  token.withSession(async () => 'worked').catch((error) => error.returned ?? error.message);

const before = await use();
const cryptoki = loadCryptoki(PKCS11_MODULE);
const [slot] = cryptoki
  .C_GetSlotList(true)
  .filter((one) => cryptoki.C_GetTokenInfo(one).label.trimEnd() === PKCS11_TOKEN_LABEL);
const session = cryptoki.C_OpenSession(slot, CKF.SERIAL_SESSION | CKF.RW_SESSION);
cryptoki.C_Login(session, CKU_USER, PKCS11_PIN);
cryptoki.C_SetPIN(session, PKCS11_PIN, WRONG);
cryptoki.C_Logout(session);
cryptoki.C_CloseSession(session);
const after = await use();
await token.close();
process.stdout.write(`${before} ${after}`);
