import { randomUUID } from 'node:crypto';
import { execFile } from 'node:child_process';
import { utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { decodeProtectedHeader } from 'jose';
import { type KeyJson, publishedKids } from '../keys/key-set.js';
import { readiness, replicasOf } from '../keys/replica-rows.js';
import { type ChildIssuer, createLicense, tokenOf } from '../support/child-issuer.js';
import { ageKeys, type ChildReplicas, childReplicas } from '../support/child-replicas.js';
import { DatabaseLink } from './database-link.js';

jest.setTimeout(120_000);
const HOUR = 3_600_000;

let replicas: ChildReplicas;
let link: DatabaseLink;
/** The third replica reaches the database over a link that can be cut. */
let one: ChildIssuer;
let other: ChildIssuer;
let cutOff: ChildIssuer;
beforeAll(async () => {
  replicas = await childReplicas({
    JWKS_CACHE_SECONDS: '3600',
    ISSUER_URL: 'http://localhost:3000',
  });
  link = await new DatabaseLink(replicas.database.url).open();
  [one, other, cutOff] = await Promise.all([
    replicas.start(),
    replicas.start(),
    replicas.start({ DATABASE_URL: link.url }),
  ]);
}, 240_000);
afterAll(async () => {
  await replicas.remove();
  link.close();
});

async function answerOf<Json>(response: Promise<Response>, status = 200): Promise<Json> {
  const answer = await response;
  expect(answer.status).toBe(status);
  return (await answer.json()) as Json;
}

const keys = async () =>
  (await answerOf<{ items: KeyJson[] }>(one.admin('GET', 'signing_keys'))).items;
const kidIn = async (phase: string) => (await keys()).find((key) => key.phase === phase)?.kid ?? '';
const idOf = async ({ child }: ChildIssuer) =>
  (await replicasOf(one)).find(({ process_id: id }) => id === child.pid)?.id ?? '';
/** Makes the replica look silent for longer, by `interval`. */
const ageRow = (id: string, interval: string) =>
  replicas.pool.query('UPDATE replicas SET seen_at = seen_at - $2::interval WHERE id = $1', [
    id,
    interval,
  ]);
async function kill({ child, ended }: ChildIssuer): Promise<void> {
  child.kill('SIGKILL');
  await ended;
}

/** The output of `npm run keys` beside the service. */
async function keysCommand(...args: readonly string[]): Promise<string> {
  const script = join(__dirname, '../../dist/src/cli/keys.js');
  const { environment: env } = one;
  return (await promisify(execFile)(process.execPath, [script, ...args], { env })).stdout;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await done()) return;
    await sleep(50);
  }
  throw new Error('this takes too long');
}

describe('three replicas, as processes, one of them cut off from the database', () => {
  let leaked: string;
  let silent: string;

  it('name it in the answer to a revocation, which waits for no replica', async () => {
    await ageKeys(replicas.pool, '12 hours');
    [leaked, silent] = [await kidIn('current'), await idOf(cutOff)];
    link.close();
    await ageRow(silent, '2 minutes');
    const named = {
      still_published: true,
      not_acknowledged_by: { total: 1, replicas: [{ id: silent, process_id: cutOff.child.pid }] },
      impact: { trusted_until: null },
    };
    const revoke = () => answerOf<object>(one.admin('POST', `signing_keys/${leaked}/revoke`));
    expect(await revoke()).toMatchObject({ outcome: 'revoke', ...named });
    expect(await publishedKids(one)).not.toContain(leaked);
    expect(await publishedKids(other)).not.toContain(leaked);
    expect(await publishedKids(cutOff)).toContain(leaked);
    expect((await cutOff.sync(randomUUID())).status).toBe(503);

    await ageRow(silent, '23 hours');
    expect(await revoke()).toMatchObject({ outcome: 'nothing', ...named });
    expect((await keys()).find(({ kid }) => kid === leaked)).toMatchObject({
      not_acknowledged_by: { total: 1, replicas: [{ id: silent }] },
      trusted_until: null,
    });
  });

  it('do not switch before it is removed, but do not wait for a killed replica that had the new keys', async () => {
    await ageKeys(replicas.pool, '12 hours');
    await kill(other);
    const rotate = () => one.admin('POST', 'signing_keys/rotate');
    expect(await answerOf(rotate(), 409)).toMatchObject({
      code: 'KEYS_NOT_ACKNOWLEDGED',
      not_acknowledged_by: { total: 1, replicas: [{ id: silent }] },
    });
    expect(await keysCommand('replicas')).toContain(`${silent}  silent  on ${hostname()}`);
    expect(await keysCommand('list')).toContain(`may still publish it: ${silent}`);
    expect(await keysCommand('remove-replica', silent)).not.toContain(silent);
    expect(await answerOf(rotate(), 409)).toMatchObject({ code: 'ROTATION_TOO_EARLY' });
    await ageKeys(replicas.pool, '2 hours');
    await answerOf(rotate());
  });

  it('show how old its keys are, even after it restarts with the kept keys', async () => {
    await kill(cutOff);
    const readAt = new Date(Date.now() - HOUR);
    await utimes(join(cutOff.dataDir, 'published-keys.json'), readAt, readAt);
    cutOff = await replicas.start({ DATABASE_URL: link.url, DATA_DIR: cutOff.dataDir });
    expect(await publishedKids(cutOff)).toContain(leaked);
    expect(await readiness(cutOff)).toMatchObject({
      code: 503,
      checks: { keys: 'published', keys_unread: true },
      keys_read_at: readAt.toISOString(),
    });
    const { stdout } = cutOff.output;
    expect(stdout).toMatch(/"readAt":"[^"]+".*"msg":"the kept keys are published"/);
  });

  it('unpublish the key on it when it reconnects, sign only with the new key, and end the trust', async () => {
    const licenseKey = await createLicense(one);
    await link.open();
    await until(async () => (await cutOff.sync(licenseKey, randomUUID())).status === 200);
    const token = await tokenOf(await cutOff.sync(licenseKey, randomUUID()));
    expect(decodeProtectedHeader(token).kid).toBe(await kidIn('current'));
    expect(await publishedKids(cutOff)).toEqual(await publishedKids(one));
    const shown = (await keys()).find(({ kid }) => kid === leaked);
    expect(shown).toMatchObject({ not_acknowledged_by: { total: 0 } });
    expect(Date.parse(shown?.trusted_until ?? '')).toBeGreaterThan(Date.now() + HOUR - 60_000);
  });

  it('remove their rows when they stop, and leave them when they are killed', async () => {
    const [kept, gone] = [await idOf(other), await idOf(cutOff)];
    cutOff.child.kill('SIGTERM');
    await cutOff.ended;
    const ids = (await replicasOf(one)).map(({ id }) => id);
    expect(ids).toContain(kept);
    expect(ids).not.toContain(gone);
  });
});
