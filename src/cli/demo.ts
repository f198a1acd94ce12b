import '../platform/take-signals.js';
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import { readAppConfig } from '../../config/app-config.js';
import { Clock } from '../platform/clock.js';
import { freePort } from '../platform/free-port.js';
import { createLogger } from '../platform/logging.js';
import { startIssuer } from '../start-issuer.js';
import { DemoClient } from './demo-client.js';

const AUDIENCE = 'gitlab-ai-gateway';
const ADD_ON = 'duo_enterprise';
const UNIT_PRIMITIVE = 'ask_epic';

/** Shows the whole story over HTTP, on a temporary database. */
async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'issuer-demo-'));
  // As root, the embedded Postgres runs as another user, who must be able to enter the folder.
  await chmod(dataDir, 0o711);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const adminToken = randomUUID() + randomUUID();
  const config = readAppConfig({
    PORT: String(port),
    ISSUER_URL: url,
    DATA_DIR: dataDir,
    BOOTSTRAP_ADMIN_TOKEN: adminToken,
  });
  try {
    tell(`Starting an issuer on ${url} ...`);
    const issuer = await startIssuer(config, { logger: createLogger('warn') });
    try {
      await registerPurchaseAndExplain(new DemoClient(url, adminToken), url);
    } finally {
      await issuer.close();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function registerPurchaseAndExplain(client: DemoClient, url: string): Promise<void> {
  step('An admin registers a license. Its key is shown only once');
  const license = await client.admin('POST', 'licenses', {
    plan: 'ultimate',
    kind: 'online_cloud',
    seats: 100,
    starts_on: day(-30),
    expires_on: day(335),
    licensee: { name: 'Ada', company: 'Example' },
  });
  const id = String(license['id']);
  tell(`license ${id}`);

  step(`Why would its instance not get ${UNIT_PRIMITIVE}? The issuer explains it`);
  tell(await client.decision(id, UNIT_PRIMITIVE));

  step(`The admin records the purchase of ${ADD_ON}`);
  await client.admin('POST', `licenses/${id}/add_on_purchases`, {
    add_on: ADD_ON,
    quantity: 50,
    started_at: day(0),
    expires_on: day(365),
  });
  tell(await client.decision(id, UNIT_PRIMITIVE));

  await syncVerifyAndRevoke(client, url, id, String(license['license_key']));
}

async function syncVerifyAndRevoke(
  client: DemoClient,
  url: string,
  licenseId: string,
  licenseKey: string,
): Promise<void> {
  step('A GitLab instance syncs its service token');
  const instanceId = randomUUID();
  const { token, expiresAt } = await client.sync(licenseKey, instanceId);
  tell(`a token of ${token.length} characters, good until ${expiresAt}`);

  step('A backend that knows only the issuer URL accepts it');
  const claims = await verifyAsBackend(url, token);
  const scopes = claims['scopes'];
  tell(`signed by key ${String(decodeProtectedHeader(token).kid)}`);
  tell(`sub ${String(claims.sub)}, aud ${String(claims.aud)}`);
  tell(`${Array.isArray(scopes) ? scopes.length : 0} scopes, ${UNIT_PRIMITIVE} among them`);
  requireThat(claims.sub === instanceId, 'the token names the instance');
  requireThat(
    Array.isArray(scopes) && scopes.includes(UNIT_PRIMITIVE),
    'the token grants the scope',
  );

  step(
    'The license is revoked: the next sync is denied. Tokens that are out stay valid until they expire',
  );
  await client.admin('POST', `licenses/${licenseId}/revoke`, { reason: 'end of the demo' });
  const code = await client.deniedSync(licenseKey, instanceId);
  tell(code);
  requireThat(code === 'LICENSE_REVOKED', 'a revoked license gets no token');
  tell('\nThat is the story. `npm start` runs the service.');
}

async function verifyAsBackend(url: string, token: string): Promise<JWTPayload> {
  const discovery: unknown = await (await fetch(`${url}/.well-known/openid-configuration`)).json();
  const keySetUrl = String(Reflect.get(Object(discovery) as object, 'jwks_uri'));
  const keys = createRemoteJWKSet(new URL(keySetUrl));
  const options = { algorithms: ['RS256'], audience: AUDIENCE, clockTolerance: 0 };
  return (await jwtVerify(token, keys, options)).payload;
}

function day(offset: number): string {
  const today = new Clock().now();
  today.setUTCDate(today.getUTCDate() + offset);
  return today.toISOString().slice(0, 10);
}

function step(title: string): void {
  console.log(`\n== ${title}`);
}

function tell(line: string): void {
  console.log(line);
}

function requireThat(held: boolean, promise: string): void {
  if (!held) throw new Error(`The demo failed: ${promise} did not hold.`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
