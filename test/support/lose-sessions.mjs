// Signs by the compiled service's own files with a token that loses its sessions, and prints how long
// the signatures are. A process of its own: see read-token.mjs.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const dist = join(import.meta.dirname, '..', '..', 'dist', 'src');
const require = createRequire(import.meta.url);
const { HsmKeys } = require(join(dist, 'signing-keys/hsm-keys.js'));
const { Hsm } = require(join(dist, 'signing-keys/hsm-session.js'));
const { Clock } = require(join(dist, 'platform/clock.js'));

const { PKCS11_MODULE, PKCS11_TOKEN_LABEL, PKCS11_PIN } = process.env;
const token = new Hsm({
  module: PKCS11_MODULE,
  tokenLabel: PKCS11_TOKEN_LABEL,
  pin: PKCS11_PIN,
  makesNewKeys: true,
});
const keys = new HsmKeys(token, 'https://issuer.test', new Clock());
const { kid, publicJwk } = await keys.generate();
const key = keys.open(publicJwk);
const signatureLength = async () =>
  Buffer.from((await key.sign(Buffer.from('x'))).split('.')[2], 'base64url').length;

const before = await signatureLength();
// The other sessions of the pool are opened too, and all of them are lost with their login.
await Promise.all(Array.from({ length: 20 }, signatureLength));
await token.withSession(async ({ cryptoki, handle }) => {
  cryptoki.C_CloseAllSessions(cryptoki.C_GetSessionInfo(handle).slotID);
});
const after = await signatureLength();
const atOnce = (await Promise.all(Array.from({ length: 20 }, signatureLength))).length;
await keys.destroy(kid);
const erased = await key.sign(Buffer.from('x')).catch((error) => error.constructor.name);
await token.close();
process.stdout.write(JSON.stringify({ before, after, atOnce, erased }));
