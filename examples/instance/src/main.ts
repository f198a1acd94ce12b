import './no-inspector.js';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInstanceClient, type FeatureUser, fileStore } from 'cloud-connector-instance';
import { pino } from 'pino';
import { createInstance } from './instance.js';

const { ISSUER, BACKEND, LICENSE_KEY_FILE, PORT, STORE } = process.env;
const log = pino();
const store = STORE ?? '.data/example-instance';

/** Ada has a seat of Duo Enterprise, Bob has none. */
const USERS = new Map<string, FeatureUser>([
  ['ada', { id: 7, addOnSeats: ['duo_enterprise'] }],
  ['bob', { id: 8 }],
]);

async function main(): Promise<void> {
  const client = createInstanceClient({
    url: ISSUER ?? 'http://127.0.0.1:3000',
    instanceId: '0b9d4d52-6c1f-4a57-9a0e-2f6d3c8b7e11',
    hostname: 'gitlab.example.com',
    gitlabVersion: '18.5.0-ee',
    licenseKey: await readFile(LICENSE_KEY_FILE ?? '.data/sample-license-key', 'utf8'),
    // A real instance keeps one of its own for good, so that nobody can find a user by counting ids.
    globalUserIdSecret: randomBytes(32).toString('hex'),
    store: fileStore({ path: `${store}/token`, keyFile: `${store}/key` }),
    // What the sample license was sold. A real instance knows this from its own records.
    purchases: () => [{ addOn: 'duo_enterprise', expiresOn: '2099-01-01' }],
    log: ({ level, message }) => {
      log[level](message);
    },
  });
  client.start();
  const app = createInstance({
    client,
    backendUrl: BACKEND ?? 'http://127.0.0.1:4000',
    users: USERS,
  });
  const server = app.listen(Number(PORT ?? 4100), '127.0.0.1');
  await once(server, 'listening');
  log.info(`offers features at http://127.0.0.1:${PORT ?? '4100'}`);
  const stop = async () => {
    server.close();
    await client.stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop().catch(fail);
    });
  }
}

function fail(error: unknown): void {
  log.fatal(error);
  process.exit(1);
}

main().catch(fail);
