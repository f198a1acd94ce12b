import { randomUUID } from 'node:crypto';
import { select } from '../contract/ledger.js';
import { registerLicense, registerPaidLicense, type LicenseJson } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const DAY = 86_400_000;
const NOW = '2026-03-10T12:00:00.000Z';
const IN_A_WEEK = '2026-03-17T12:00:00.000Z';

interface ReplacedJson extends LicenseJson {
  readonly key_replaced_at: string | null;
  readonly previous_key_valid_until: string | null;
}

describe('replacing the key of a license', () => {
  const clock = new FakeClock(new Date(NOW));
  let issuer: TestIssuer;
  let id: string;
  let first: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    clock.set(NOW);
    ({ id, licenseKey: first } = await registerPaidLicense(issuer));
  });
  afterAll(() => issuer.stop());

  const path = () => `licenses/${id}/replace_key`;
  async function replace(body?: object, headers?: Record<string, string>): Promise<ReplacedJson> {
    const response = await issuer.admin('POST', path(), body, headers);
    expect(response.status).toBe(200);
    return (await response.json()) as ReplacedJson;
  }
  async function generated(body?: object): Promise<string> {
    return (await replace(body)).license_key ?? '';
  }
  /** The code of the denial of a sync with this key; null when it brings a token. */
  async function denialOf(licenseKey: string): Promise<string | null> {
    return (await new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() }).sync())
      .code;
  }
  async function oldKeys(): Promise<number> {
    const sql = `SELECT FROM replaced_license_keys WHERE license_id = $1`;
    return (await select(issuer, sql, [id])).length;
  }

  it('generates one and shows it once; for a week both keys work', async () => {
    const license = await replace();
    expect(license).toMatchObject({
      id,
      license_key: expect.stringMatching(/^cci_license_/) as string,
      key_replaced_at: NOW,
      previous_key_valid_until: IN_A_WEEK,
      updated_at: NOW,
    });
    const second = license.license_key ?? '';
    expect(second).not.toBe(first);
    expect([await denialOf(first), await denialOf(second)]).toEqual([null, null]);
    const { license_key, ...shown } = license;
    expect(await (await issuer.admin('GET', `licenses/${id}`)).json()).toEqual(shown);
    expect(issuer.logs.join('\n')).not.toContain(license_key);
  });

  it('denies the old key as unknown from the instant on at which its grace ends', async () => {
    const second = await generated({ grace_seconds: 60 });
    clock.advance(59_999);
    expect(await denialOf(first)).toBeNull();
    clock.advance(1);
    expect(await denialOf(first)).toBe('LICENSE_NOT_FOUND');
    expect(await denialOf(second)).toBeNull();
  });

  it('ends the old key at once with a grace of 0', async () => {
    const second = await generated({ grace_seconds: 0 });
    expect([await denialOf(first), await denialOf(second)]).toEqual(['LICENSE_NOT_FOUND', null]);
    expect(await oldKeys()).toBe(0);
  });

  it('registers a key that the operator brings, and does not show it', async () => {
    const license_key = ` a key of the vendor\r\n${randomUUID()}\n`;
    expect(await replace({ license_key })).not.toHaveProperty('license_key');
    expect(await denialOf(license_key.trim())).toBeNull();
  });

  it('shows a license whose key was never replaced without either instant', async () => {
    const license = await (await issuer.admin('GET', `licenses/${id}`)).json();
    expect(license).toMatchObject({ key_replaced_at: null, previous_key_valid_until: null });
  });

  describe('again, within the grace', () => {
    it('lets each old key work until its own end, but never longer than the newest grace', async () => {
      await replace({ grace_seconds: 3600 });
      const second = await generated({ grace_seconds: 7200 });
      clock.advance(3_600_000);
      expect([await denialOf(first), await denialOf(second)]).toEqual(['LICENSE_NOT_FOUND', null]);
    });

    it('ends every old key earlier where the newest grace is shorter', async () => {
      const second = await generated({ grace_seconds: 7200 });
      const third = await generated({ grace_seconds: 60 });
      clock.advance(60_000);
      const denials = [await denialOf(first), await denialOf(second), await denialOf(third)];
      expect(denials).toEqual(['LICENSE_NOT_FOUND', 'LICENSE_NOT_FOUND', null]);
    });

    it('ends an old key also where the clock of the replica that replaced it was ahead', async () => {
      clock.advance(120_000);
      await replace({ grace_seconds: 7200 });
      clock.set(NOW);
      const third = await generated({ grace_seconds: 60 });
      expect(await denialOf(first)).toBe('LICENSE_NOT_FOUND');
      expect(await denialOf(third)).toBeNull();
    });

    it('ends every old key at once with a grace of 0', async () => {
      const second = await generated();
      await replace({ grace_seconds: 0 });
      expect([await denialOf(first), await denialOf(second)]).toEqual([
        'LICENSE_NOT_FOUND',
        'LICENSE_NOT_FOUND',
      ]);
    });

    it('keeps the five newest old keys', async () => {
      for (let count = 0; count < 7; count += 1) {
        clock.advance(1000);
        await replace();
      }
      expect(await oldKeys()).toBe(5);
      expect(await denialOf(first)).toBe('LICENSE_NOT_FOUND');
    });
  });

  describe('with a key that is taken', () => {
    const taken = async (license_key: string, at = path()) => {
      const body = at === 'licenses' ? { ...registration(), license_key } : { license_key };
      const response = await issuer.admin('POST', at, body);
      await expectProblem(response, 409, 'LICENSE_KEY_TAKEN', ['#/license_key']);
    };
    const registration = () => ({
      ...{ plan: 'ultimate', kind: 'online_cloud', seats: 1 },
      ...{ starts_on: '2026-01-01', expires_on: '2027-01-01' },
    });

    it('is refused: its own, that of another license, an old one of either', async () => {
      const other = await registerLicense(issuer);
      await taken(first);
      await taken(`${first}\r\n`);
      await taken(other.licenseKey);
      await issuer.admin('POST', `licenses/${other.id}/replace_key`);
      await taken(other.licenseKey);
      await replace();
      await taken(first);
      expect(await denialOf(first)).toBeNull();
    });

    it('is refused to a new license too, as long as the grace of an old key lasts', async () => {
      await replace({ grace_seconds: 60 });
      clock.advance(59_999);
      await taken(first, 'licenses');
      clock.advance(1);
      const { status } = await issuer.admin('POST', 'licenses', {
        ...registration(),
        license_key: first,
      });
      expect(status).toBe(201);
      // It is the key of that license now, which has bought nothing.
      expect(await denialOf(first)).toBeNull();
      expect(await oldKeys()).toBe(0);
    });
  });

  it('of two at once does one after the other: both new keys work', async () => {
    const keys = await Promise.all([generated(), generated(), generated()]);
    for (const key of [first, ...keys]) expect(await denialOf(key)).toBeNull();
    expect(await oldKeys()).toBe(3);
  });

  it('with the same If-Match lets one win', async () => {
    const headers = { 'if-match': '"1"' };
    const answers = await Promise.all(
      [1, 2].map(() => issuer.admin('POST', path(), undefined, headers)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    expect(answers.find(({ status }) => status === 200)?.headers.get('etag')).toBe('"2"');
  });

  it('of two licenses that want one key at once lets one have it', async () => {
    const other = await registerLicense(issuer);
    const license_key = `wanted by two ${randomUUID()}`;
    const answers = await Promise.all(
      [id, other.id].map((one) =>
        issuer.admin('POST', `licenses/${one}/replace_key`, { license_key }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  it('keeps in the history when that was, and counts the version up', async () => {
    await replace();
    const rows = await select(
      issuer,
      `SELECT version, key_replaced_at, previous_key_valid_until FROM licenses_history
       WHERE id = $1 ORDER BY version`,
      [id],
    );
    expect(rows).toEqual([
      { version: 1, key_replaced_at: null, previous_key_valid_until: null },
      {
        version: 2,
        key_replaced_at: new Date(NOW),
        previous_key_valid_until: new Date(IN_A_WEEK),
      },
    ]);
  });

  it.each([
    [{ grace_seconds: -1 }, '#/grace_seconds'],
    [{ grace_seconds: 7_776_001 }, '#/grace_seconds'],
    [{ grace_seconds: 1.5 }, '#/grace_seconds'],
    [{ grace_seconds: '60' }, '#/grace_seconds'],
    [{ grace_seconds: null }, '#/grace_seconds'],
    [{ license_key: 'too short' }, '#/license_key'],
    [{ license_key: `${' '.repeat(20)}x` }, '#/license_key'],
    [{ license_key: 'aB3dE6gH9jK2mN5pQ8sT1vW4' }, '#/license_key'],
    [{ license_key: null }, '#/license_key'],
    [{ key: 'x' }, '#/key'],
  ])('refuses the body %j and changes nothing', async (body, place) => {
    const response = await issuer.admin('POST', path(), body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', [place]);
    expect((await issuer.admin('GET', `licenses/${id}`)).headers.get('etag')).toBe('"1"');
  });

  it('takes the longest grace of 90 days, and an empty body', async () => {
    const { previous_key_valid_until } = await replace({ grace_seconds: 7_776_000 });
    expect(previous_key_valid_until).toBe(new Date(Date.parse(NOW) + 90 * DAY).toISOString());
    expect((await replace({})).previous_key_valid_until).toBe(IN_A_WEEK);
  });

  it('finds nothing under an unknown id', async () => {
    const unknown = 'licenses/00000000-0000-7000-8000-000000000000/replace_key';
    await expectProblem(await issuer.admin('POST', unknown), 404, 'NOT_FOUND');
  });
});
