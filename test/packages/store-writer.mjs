// Adds one token after the other to a sealed store, and says each number once its update is done.
// usage: node store-writer.mjs PATH KEY
import { createRequire } from 'node:module';

const { fileStore } = createRequire(import.meta.url)(
  '../../packages/cloud-connector-instance/dist/index.js',
);
const [path, key] = process.argv.slice(2);
const store = fileStore({ path, key });

for (;;) {
  let number = 0;
  await store.update((state) => {
    number = state.revocations + 1;
    const token = {
      token: `token ${number} of ${process.pid} ${'.'.repeat(4000)}`,
      instanceId: 'one',
      realm: 'self-managed',
      scopes: [],
      issuedAt: number,
      notBefore: number,
      expiresAt: number + 100,
      receivedAt: number,
    };
    return { ...state, revocations: number, tokens: [token, ...state.tokens].slice(0, 4) };
  });
  // Not through a stream: what is said was done, whenever the process is killed.
  process.stdout.write(`${number}\n`);
}
