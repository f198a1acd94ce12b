import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { select } from '../contract/ledger.js';
import { registerPaidLicense } from '../support/builders.js';
import { whileItDrains } from '../support/draining.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, keyIn, publishedKids, timeline } from './key-set.js';
import { killedReplica, metric, readiness, replicasOf } from './replica-rows.js';

const START = '2026-03-01T00:00:00.000Z';
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const LEAD = 95_040 * SECOND;

let clock: FakeClock;
let issuer: TestIssuer;
beforeEach(async () => {
  clock = new FakeClock(new Date(START));
  issuer = await startTestIssuer({ clock });
});
afterEach(() => issuer.stop());

const rotate = () => issuer.admin('POST', 'signing_keys/rotate');

/** Validators may have fetched the keys from a replica without the next key until just now. */
async function switchesAfterTheLead(): Promise<void> {
  const allowedFrom = new Date(clock.now().getTime() + LEAD).toISOString();
  expect((await keyIn(issuer, 'next')).may_sign_from).toBe(allowedFrom);
  clock.advance(LEAD - 1);
  expect(await keepKeys(issuer)).toEqual([]);
  expect(await (await rotate()).json()).toMatchObject({
    code: 'ROTATION_TOO_EARLY',
    allowed_from: allowedFrom,
  });
  clock.advance(1);
  expect(await keepKeys(issuer)).toEqual(['switch']);
}

describe('a scheduled switch', () => {
  it('waits for a replica that does not publish the next key; after its removal, for its validators', async () => {
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
    const gitlab = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
    const [old, nextKey] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    clock.advance(90 * DAY);
    const dead = await killedReplica(issuer, [old.kid], clock.now());

    expect(await keepKeys(issuer)).toEqual([]);
    const refused = await rotate();
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({
      code: 'KEYS_NOT_ACKNOWLEDGED',
      not_acknowledged_by: {
        total: 1,
        replicas: [{ id: dead, host_name: 'node-3', process_id: 4711 }],
      },
    });
    expect(await keyIn(issuer, 'next')).toMatchObject({
      not_acknowledged_by: { total: 1, replicas: [{ id: dead }] },
    });
    clock.advance(HOUR);
    await keepKeys(issuer);
    expect(await readiness(issuer)).toMatchObject({
      code: 200,
      checks: { rotation: 'waiting' },
      next_key_step: { step: 'switch', not_acknowledged_by: { total: 1, replicas: [dead] } },
    });
    expect(await metric(issuer, 'issuer_replicas_not_acknowledging_next_key')).toBe(1);
    expect(await metric(issuer, 'issuer_signing_key_step_overdue')).toBe(0);

    const { token } = await gitlab.serviceToken();
    expect(decodeProtectedHeader(token).kid).toBe(old.kid);
    const removed = await issuer.admin('DELETE', `replicas/${dead}`);
    expect(removed.status).toBe(200);
    expect(await removed.json()).toMatchObject({ id: dead, host_name: 'node-3' });
    expect((await issuer.admin('DELETE', `replicas/${dead}`)).status).toBe(404);
    await switchesAfterTheLead();
    expect((await keyIn(issuer, 'current')).kid).toBe(nextKey.kid);
    expect(await readiness(issuer)).toMatchObject({ checks: { rotation: 'scheduled' } });

    const retired = (await timeline(issuer)).find(({ kid }) => kid === old.kid);
    const unpublishedAt = Date.parse(retired?.planned.unpublished_at ?? '');
    expect(unpublishedAt).toBeGreaterThanOrEqual(Number(decodeJwt(token).exp) * SECOND + DAY);
  });

  it('waits for 24 hours at most, and does not delay other steps', async () => {
    clock.advance(90 * DAY);
    expect(await keepKeys(issuer)).toEqual(['switch']);
    const retired = (await timeline(issuer)).find(({ phase }) => phase === 'retired');
    await select(
      issuer,
      `UPDATE signing_keys SET published_at = published_at - interval '90 days',
       signs_from = signs_from - interval '90 days' WHERE phase <> 'retired'`,
    );
    await killedReplica(issuer, [], clock.now());
    clock.advance(DAY);
    expect(await keepKeys(issuer)).toEqual(['unpublish']);
    expect(await publishedKids(issuer)).not.toContain(retired?.kid);
    clock.advance(1);
    expect(await keepKeys(issuer)).toEqual(['switch']);
  });

  it('does not wait for a replica that stopped, or was killed while it published the next key', async () => {
    const other = await startTestIssuer({ clock, sharing: issuer });
    expect(await replicasOf(issuer)).toHaveLength(2);
    await other.stop();
    expect(await replicasOf(issuer)).toHaveLength(1);
    clock.advance(90 * DAY);
    const killed = await killedReplica(issuer, await publishedKids(issuer), clock.now());
    expect(await keepKeys(issuer)).toEqual(['switch']);

    // With a clock that may be wrong, no replica is removed.
    clock.beAhead(100 * DAY);
    await keepKeys(issuer);
    clock.beAhead(0);
    expect((await replicasOf(issuer)).map(({ id }) => id)).toContain(killed);
  });

  it('names ten of many replicas, counts all, and does not wait when no key signs', async () => {
    const old = await keyIn(issuer, 'current');
    clock.advance(90 * DAY);
    for (let count = 0; count < 25; count += 1) await killedReplica(issuer, [old.kid], clock.now());
    const refused = (await (await rotate()).json()) as {
      detail: string;
      not_acknowledged_by: { replicas: unknown[] };
    };
    expect(refused).toMatchObject({
      code: 'KEYS_NOT_ACKNOWLEDGED',
      not_acknowledged_by: { total: 25 },
    });
    expect(refused.not_acknowledged_by.replicas).toHaveLength(10);
    expect(refused.detail).toContain('and 15 more');

    await select(
      issuer,
      `UPDATE signing_keys SET phase = 'retired', retired_at = '${START}', sealed_private_key = NULL
       WHERE phase = 'current'`,
    );
    expect(await keepKeys(issuer)).toContain('switch');
  });
});

describe('a replica that is being stopped', () => {
  it('counts until its last answer, because it publishes its keys until then', async () => {
    const other = await startTestIssuer({ clock, sharing: issuer });
    clock.advance(LEAD);
    await Promise.all([keepKeys(issuer), keepKeys(other)]);
    const leaked = await keyIn(issuer, 'current');
    await whileItDrains(other, async () => {
      const revoked = await issuer.admin('POST', `signing_keys/${leaked.kid}/revoke`);
      expect(await revoked.json()).toMatchObject({
        outcome: 'revoke',
        still_published: true,
        not_acknowledged_by: { total: 1 },
      });
      clock.advance(SECOND);
    });
    expect(await replicasOf(issuer)).toHaveLength(1);
    const shown = (await timeline(issuer)).find(({ kid }) => kid === leaked.kid);
    expect(shown?.trusted_until).toBe(new Date(clock.now().getTime() + DAY).toISOString());
  });
});
