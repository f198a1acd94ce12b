import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { select } from '../contract/ledger.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys, keyIn, publishedKids, timeline } from './key-set.js';

const START = '2026-03-01T00:00:00.000Z';
const SECOND = 1000;
const DAY = 86_400 * SECOND;
const LEAD = 95_040 * SECOND;

let clock: FakeClock;
let issuer: TestIssuer;
beforeEach(async () => {
  clock = new FakeClock(new Date(START));
  issuer = await startTestIssuer({ clock });
});
afterEach(() => issuer.stop());

const instance = async () => {
  const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
  return new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
};
const advanceTo = (instant: string | null | undefined, by = 0) => {
  if (!instant) throw new Error('there is no such instant');
  clock.set(new Date(new Date(instant).getTime() + by));
};

describe('a rotation on schedule', () => {
  it('lets the first key sign at once, and publishes the next key with it', async () => {
    const [current, next] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    expect(current).toMatchObject({ published_at: START, signs_from: START });
    expect(next).toMatchObject({ published_at: START, signs_from: null });
    expect((await publishedKids(issuer)).sort()).toEqual([current.kid, next.kid].sort());
    const later = new Date(Date.parse(START) + 90 * DAY).toISOString();
    expect(next.planned.signs_from).toBe(later);
    expect(current.planned.retired_at).toBe(later);
    expect(next.may_sign_from).toBe(new Date(Date.parse(START) + LEAD).toISOString());
  });

  it('lets each key sign, retires and erases it, and unpublishes it after its last token', async () => {
    const gitlab = await instance();
    const [first, nextKey] = [await keyIn(issuer, 'current'), await keyIn(issuer, 'next')];
    advanceTo(first.planned.retired_at, -SECOND);
    expect(await keepKeys(issuer)).toEqual([]);
    const { token } = await gitlab.serviceToken();
    expect(decodeProtectedHeader(token).kid).toBe(first.kid);

    clock.advance(SECOND);
    expect(await keepKeys(issuer)).toEqual(['switch']);
    const fresh = await gitlab.serviceToken();
    expect(decodeProtectedHeader(fresh.token).kid).toBe(nextKey.kid);
    const next = await keyIn(issuer, 'next');
    expect((await keyIn(issuer, 'current')).kid).toBe(nextKey.kid);
    expect((await publishedKids(issuer)).sort()).toEqual([first.kid, nextKey.kid, next.kid].sort());
    const sealed = await select(
      issuer,
      `SELECT kid FROM signing_keys WHERE sealed_private_key IS NULL`,
    );
    expect(sealed).toEqual([{ kid: first.kid }]);

    const exp = Number(decodeJwt(token).exp) * SECOND;
    const retired = async () => (await timeline(issuer)).find(({ kid }) => kid === first.kid);
    const unpublishAt = Date.parse((await retired())?.planned.unpublished_at ?? '');
    expect(unpublishAt).toBeGreaterThanOrEqual(exp + DAY);
    expect(unpublishAt).toBeLessThanOrEqual(exp + DAY + 60 * SECOND);
    clock.set(new Date(unpublishAt - SECOND));
    expect(await keepKeys(issuer)).toEqual([]);
    clock.advance(SECOND);
    expect(await keepKeys(issuer)).toEqual(['unpublish']);
    expect(await publishedKids(issuer)).toEqual([nextKey.kid, next.kid]);
    expect((await retired())?.unpublished_at).toBe(clock.now().toISOString());
  });

  it('does nothing the second time', async () => {
    clock.advance(90 * DAY);
    expect(await keepKeys(issuer)).toEqual(['switch']);
    expect(await keepKeys(issuer)).toEqual([]);
  });

  it('catches up after a downtime with one switch, not with every missed switch', async () => {
    clock.advance(1000 * DAY);
    expect(await keepKeys(issuer)).toEqual(['switch']);
    expect(await keepKeys(issuer)).toEqual([]);
    clock.advance(DAY);
    expect(await keepKeys(issuer)).toEqual(['unpublish']);
  });

  it('shows in the readiness and a metric, which report an overdue step', async () => {
    const readiness = async () =>
      (await (await fetch(`${issuer.url}/-/readiness`)).json()) as Record<string, unknown>;
    const overdue = async () => {
      const metrics = await (await fetch(`${issuer.url}/-/metrics`)).text();
      return /^issuer_signing_key_step_overdue (\d)$/m.exec(metrics)?.[1];
    };
    const dueAt = (await keyIn(issuer, 'next')).planned.signs_from;
    expect(await readiness()).toMatchObject({
      checks: { rotation: 'scheduled' },
      next_key_step: { step: 'switch', due_at: dueAt },
    });
    advanceTo(dueAt, 60 * SECOND);
    expect(await overdue()).toBe('0');
    clock.advance(1);
    expect(await overdue()).toBe('1');
    expect(await readiness()).toMatchObject({ status: 'ready', checks: { rotation: 'overdue' } });
  });
});

describe('a rotation by hand', () => {
  const rotate = () => issuer.admin('POST', 'signing_keys/rotate');

  it('is refused while validators may not know the next key (Dex 2759), and says from when it is allowed', async () => {
    clock.advance(LEAD - 1);
    const refused = await rotate();
    expect(refused.status).toBe(409);
    const allowedFrom = new Date(Date.parse(START) + LEAD).toISOString();
    expect(await refused.json()).toMatchObject({
      code: 'ROTATION_TOO_EARLY',
      allowed_from: allowedFrom,
    });
    expect((await keyIn(issuer, 'current')).published_at).toBe(START);

    clock.advance(1);
    const nextKey = await keyIn(issuer, 'next');
    const rotated = await rotate();
    expect(rotated.status).toBe(200);
    expect(((await rotated.json()) as { items: object[] }).items).toHaveLength(3);
    expect((await keyIn(issuer, 'current')).kid).toBe(nextKey.kid);
    expect((await rotate()).status).toBe(409);
  });

  it('switches once when it is requested many times at once', async () => {
    clock.advance(2 * LEAD);
    const answers = await Promise.all(Array.from({ length: 5 }, rotate));
    expect(answers.map(({ status }) => status).sort()).toContain(200);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
    expect(await timeline(issuer)).toHaveLength(3);
  });
});

describe('replicas', () => {
  it('take new keys over when the database notifies them, acknowledge them, and rotate once', async () => {
    const other = await startTestIssuer({ clock, sharing: issuer });
    try {
      clock.advance(90 * DAY);
      const done = await Promise.all([keepKeys(issuer), keepKeys(other)]);
      expect(done.flat()).toEqual(['switch']);
      await Promise.all([keepKeys(issuer), keepKeys(other)]);
      const current = await keyIn(other, 'current');
      expect(current.acknowledged_by).toEqual({ signing: 2, publishing: 2, replicas: 2 });
      const retired = (await timeline(issuer)).find(({ phase }) => phase === 'retired');
      expect(retired?.acknowledged_by).toEqual({ signing: 0, publishing: 2, replicas: 2 });
      expect(await publishedKids(issuer)).toEqual(await publishedKids(other));
    } finally {
      await other.stop();
    }
  });
});

describe('the kept keys', () => {
  it('never replace keys that were read from the database', async () => {
    const before = await publishedKids(issuer);
    await rm(join(issuer.dataDir, 'published-keys.json'));
    await expect(issuer.running.app.get(SigningKeys).publishKept(new Date())).resolves.toBe(true);
    expect(await publishedKids(issuer)).toEqual(before);
  });
});

describe('a sync during which the keys change twice', () => {
  it('is asked to try again, and no error is logged', async () => {
    const gitlab = await instance();
    const changeOfKeys = `
      CREATE FUNCTION refuse_key() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'changed' USING ERRCODE = 'integrity_constraint_violation',
          CONSTRAINT = 'issued_tokens_kid_current_check';
      END $$;
      CREATE TRIGGER refuse_key BEFORE INSERT ON issued_tokens
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_key()`;
    await select(issuer, changeOfKeys);
    expect(await gitlab.sync()).toMatchObject({ effect: 'asks again' });
    expect(issuer.logs.filter((line) => line.includes('"level":"error"'))).toEqual([]);
    await select(issuer, 'DROP FUNCTION refuse_key CASCADE');
    expect(await gitlab.sync()).toMatchObject({ effect: 'stores the token' });
  });
});
