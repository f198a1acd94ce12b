import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { InstanceMetrics } from '../../src/instance-health/instance-metrics.js';
import { KeySetFetches } from '../../src/signing-keys/key-set-fetches.js';
import { registerLicense, registerPaidLicense } from '../support/builders.js';
import { whileItDrains } from '../support/draining.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type Generation,
  GENERATIONS,
  GitlabInstance,
  type Identity,
} from '../support/gitlab-instance.js';
import { stopJobs } from '../support/instance-health.js';
import { listSeen, seenOf, syncFrom, writeSightings } from '../support/sightings.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { select } from './ledger.js';

const DAY = 86_400_000;
const KEYS = '/oauth/discovery/keys';
const LATER = new Date('2026-06-15T12:00:30Z');

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock, environment: { TRUSTED_PROXIES: '127.0.0.0/8' } });
});
afterAll(() => issuer.stop());

describe('where an instance is used', () => {
  const START = '2026-03-10T12:00:00.000Z';
  let license: { readonly id: string; readonly licenseKey: string };
  let instanceId: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
    stopJobs(issuer);
  });
  beforeEach(async () => {
    clock.set(START);
    instanceId = randomUUID();
    license = await registerPaidLicense(issuer);
  });

  const shown = (one = license) => seenOf(issuer, one.id);
  const sync = (from: string, about: Partial<Identity> = {}, generation?: Generation) =>
    syncFrom(issuer, from, { licenseKey: license.licenseKey, instanceId, ...about }, generation);
  async function seatLink(from: string, about: object = {}): Promise<number> {
    const response = await fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
      body: JSON.stringify({
        ...{ license_key: license.licenseKey, instance_id: instanceId },
        ...{ hostname: 'gitlab.example.com', billable_users_count: 3 },
        ...about,
      }),
    });
    return response.status;
  }

  it('is shown by network and by host name, with the first and the last time', async () => {
    await sync('192.0.2.1');
    clock.advance(60_000);
    await seatLink('192.0.2.200', { hostname: 'GitLab.example.com' });
    await sync('2001:db8:1:2::3', { hostName: 'other.example.com' });
    const later = '2026-03-10T12:01:00.000Z';
    const times = { first_seen_at: START, last_seen_at: later, previous_key_last_used_at: null };
    const { networks, host_names } = await shown();
    expect(networks).toEqual([
      { network: '192.0.2.0/24', requests: 2, ...times },
      { network: '2001:db8:1::/48', requests: 1, ...times, first_seen_at: later },
    ]);
    expect(host_names).toEqual([
      { host_name: 'gitlab.example.com', requests: 2, ...times },
      { host_name: 'other.example.com', requests: 1, ...times, first_seen_at: later },
    ]);
  });

  it('is the same for one instance as in the list, and empty before its first request', async () => {
    await sync('192.0.2.1');
    const [unseen] = await listSeen(issuer, `license_id=${license.id}`);
    expect(unseen).toMatchObject({ networks: [], host_names: [], suspicions: [] });
    const instance = await shown();
    expect(await (await issuer.admin('GET', `instances/${instance.id}`)).json()).toEqual(instance);
  });

  it('is added up from one flush to the next, and kept for 14 days', async () => {
    await sync('192.0.2.1');
    await writeSightings(issuer);
    clock.advance(13 * DAY);
    await sync('198.51.100.1');
    expect((await shown()).networks).toHaveLength(2);
    clock.advance(DAY);
    expect((await shown()).networks).toMatchObject([{ network: '198.51.100.0/24' }]);
  });

  it('counts for the instance of a request without an id, and ignores headers without a valid UUID', async () => {
    await sync('192.0.2.1');
    await sync('192.0.2.2', { instanceId: null }, GENERATIONS['the documented script']);
    await sync('203.0.113.9', { instanceId: 'not set' });
    expect((await shown()).networks).toMatchObject([{ network: '192.0.2.0/24', requests: 2 }]);
  });

  it('does not count denied requests: unknown keys, revoked licenses', async () => {
    await sync('192.0.2.1');
    await sync('203.0.113.1', { licenseKey: 'nobody has registered this key' });
    await issuer.admin('POST', `licenses/${license.id}/revoke`);
    expect((await sync('203.0.113.2')).code).toBe('LICENSE_REVOKED');
    expect(await seatLink('203.0.113.3')).toBe(422);
    expect((await shown()).networks).toMatchObject([{ network: '192.0.2.0/24', requests: 1 }]);
  });

  it('shows requests with a previous license key, which may come from a thief', async () => {
    await sync('192.0.2.1');
    await issuer.admin('POST', `licenses/${license.id}/replace_key`);
    clock.advance(1000);
    await sync('203.0.113.1');
    const { networks } = await shown();
    expect(networks.map(({ previous_key_last_used_at }) => previous_key_last_used_at)).toEqual([
      '2026-03-10T12:00:01.000Z',
      null,
    ]);
  });

  it('stays bounded, even when the holder of a key invents names', async () => {
    for (let index = 0; index < 60; index += 1) {
      await sync(`10.${index}.0.1`, { hostName: `host-${index}.example.com` });
      if (index % 20 === 0) await writeSightings(issuer);
    }
    await sync('no address at all', { hostName: '"} not a name' });
    const { networks, host_names } = await shown();
    expect([networks.length, host_names.length]).toEqual([20, 20]);
    const total = networks.reduce((sum, { requests }) => sum + Number(requests), 0);
    expect(total).toBe(61);
    expect(JSON.stringify(networks)).not.toContain('no address');
  });

  it('is written in the background: no request waits for it', async () => {
    await sync('192.0.2.1');
    const rows = () => select(issuer, 'SELECT * FROM instance_sightings');
    const before = await rows();
    await sync('192.0.2.1');
    await seatLink('192.0.2.1');
    expect(await rows()).toEqual(before);
  });

  it('is written when a stop begins', async () => {
    const other = await startTestIssuer({ clock, sharing: issuer });
    const instance = new GitlabInstance(other.url, { licenseKey: license.licenseKey, instanceId });
    await instance.serviceToken();
    await other.stop();
    const [stopped] = await listSeen(issuer, `license_id=${license.id}`);
    expect(stopped?.networks).toMatchObject([{ network: '127.0.0.0/24', requests: 1 }]);
  });
});

describe('the use of an instance', () => {
  const START = '2026-03-10T12:00:00.000Z';
  let license: { readonly id: string; readonly licenseKey: string };
  let instanceId: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
    stopJobs(issuer);
  });
  beforeEach(async () => {
    clock.set(START);
    instanceId = randomUUID();
    license = await registerPaidLicense(issuer);
  });

  const shown = (one = license) => seenOf(issuer, one.id);
  const sync = (from: string, about: Partial<Identity> = {}) =>
    syncFrom(issuer, from, { licenseKey: license.licenseKey, instanceId, ...about });

  describe('that alternates between a new network and a known one', () => {
    async function inTurns(...addresses: string[]): Promise<void> {
      for (const address of addresses) {
        clock.advance(3_600_000);
        await sync(address);
      }
    }
    const KNOWN = '192.0.2.1';
    const NEW = '203.0.113.1';

    it('is suspicious: it is logged once, and shown with the networks', async () => {
      await inTurns(KNOWN, NEW, KNOWN, NEW);
      const { id, suspicions } = await shown();
      expect(suspicions).toEqual([
        {
          reason: 'NEW_NETWORK',
          since: '2026-03-10T14:00:00.000Z',
          last_at: '2026-03-10T16:00:00.000Z',
          values: ['192.0.2.0/24', '203.0.113.0/24'],
        },
      ]);
      await inTurns(KNOWN, NEW);
      await writeSightings(issuer);
      const warned = issuer.logs.filter(
        (line) => line.includes(id) && line.includes('NEW_NETWORK'),
      );
      expect(warned).toHaveLength(1);
      expect(warned[0]).toContain('"level":"warn"');
      expect(warned[0]).not.toContain(license.licenseKey);
    });

    it('is found across flushes that saw one network each', async () => {
      for (const address of [KNOWN, NEW, KNOWN, NEW]) {
        await inTurns(address);
        await writeSightings(issuer);
      }
      expect((await shown()).suspicions).toMatchObject([{ reason: 'NEW_NETWORK' }]);
    });

    it('is found by the filter, and counted by the metric', async () => {
      const quiet = await registerPaidLicense(issuer);
      await sync(KNOWN, { licenseKey: quiet.licenseKey, instanceId: randomUUID() });
      await inTurns(KNOWN, NEW, KNOWN, NEW);
      const { id } = await shown();
      const other = await shown(quiet);
      const ids = async (suspicious: boolean, of: { id: string }) =>
        (await listSeen(issuer, `suspicious=${suspicious}&license_id=${of.id}`)).map(
          (one) => one.id,
        );
      expect([await ids(true, license), await ids(false, license)]).toEqual([[id], []]);
      expect([await ids(true, quiet), await ids(false, quiet)]).toEqual([[], [other.id]]);
      expect((await listSeen(issuer, 'suspicious=true')).map((one) => one.id)).toContain(id);
      clock.advance(DAY);
      await issuer.running.app.get(InstanceMetrics).refresh();
      const metrics = await (await issuer.admin('GET', '../../-/metrics')).text();
      expect(metrics).toMatch(/issuer_instances_suspicious\{reason="NEW_NETWORK"\} [1-9]/);
      expect(metrics).toContain('issuer_instances_suspicious{reason="TWO_LICENSES"} 0');
      clock.advance(14 * DAY);
      expect(await ids(true, license)).toEqual([]);
      expect((await shown()).suspicions).toEqual([]);
    });

    it('is not suspicious after a move, nor after a fail-over that ends', async () => {
      await inTurns(KNOWN, KNOWN, NEW, NEW, NEW, KNOWN, KNOWN);
      expect((await shown()).suspicions).toEqual([]);
    });
  });

  it('is suspicious when its host name alternates', async () => {
    for (const hostName of ['a.example.com', 'b.example.com', 'A.example.com']) {
      clock.advance(DAY);
      await sync('192.0.2.1', { hostName });
      await writeSightings(issuer);
    }
    expect((await shown()).suspicions).toMatchObject([
      { reason: 'HOST_NAME_FLIPS', values: ['a.example.com', 'b.example.com'] },
    ]);
  });

  it('is suspicious under two licenses, seen from both, once they are seen again', async () => {
    const second = await registerPaidLicense(issuer);
    await sync('192.0.2.1');
    clock.advance(DAY);
    await sync('192.0.2.1', { licenseKey: second.licenseKey });
    await sync('192.0.2.1');
    const values = [license.id, second.id];
    for (const one of [license, second]) {
      expect((await shown(one)).suspicions).toMatchObject([{ reason: 'TWO_LICENSES', values }]);
    }
  });

  it.each(['of the same customer', 'that it renews'])(
    'is not suspicious when a license follows the one %s',
    async (how) => {
      const customer_ref = how === 'that it renews' ? null : randomUUID();
      const first = await registerLicense(issuer, { customer_ref });
      const renews_license_id = customer_ref === null ? first.id : null;
      const next = await registerLicense(issuer, { customer_ref, renews_license_id });
      await sync('192.0.2.1', { licenseKey: first.licenseKey });
      clock.advance(DAY);
      await sync('192.0.2.1', { licenseKey: next.licenseKey });
      for (const one of [first, next]) expect((await shown(one)).suspicions).toEqual([]);
    },
  );
});

describe('a client that fetches the key set', () => {
  const START = new Date('2026-06-15T12:00:00Z');
  let client: Client;

  beforeAll(async () => {
    client = new Client({ connectionString: issuer.database.url });
    await client.connect();
  });
  beforeEach(async () => {
    clock.set(START);
    await flush();
    await client.query('DELETE FROM key_set_fetches');
  });
  afterAll(() => client.end());

  async function get(
    from: string,
    userAgent: string,
    { path = KEYS, of = issuer, ...rest }: { path?: string; of?: TestIssuer; method?: string } = {},
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const who = { 'x-forwarded-for': from, 'user-agent': userAgent };
    return fetch(of.url + path, { ...rest, headers: { ...who, ...headers } });
  }

  function flush(of = issuer): Promise<void> {
    return of.running.app.get(KeySetFetches).flush();
  }

  async function rows(): Promise<unknown[]> {
    const { rows } = await client.query<Record<string, unknown>>(
      `SELECT user_agent, network, fetches::int, first_fetched_at, last_fetched_at
       FROM key_set_fetches ORDER BY network, user_agent`,
    );
    return rows;
  }

  async function newestKid(): Promise<string> {
    const { rows } = await client.query<{ kid: string }>(
      'SELECT kid FROM signing_keys ORDER BY published_at DESC, kid DESC LIMIT 1',
    );
    return rows[0]?.kid ?? '';
  }

  it('is counted by user agent and network, with the first and the last time', async () => {
    await get('192.0.2.1', 'python-httpx/0.28');
    await flush();
    clock.set(LATER);
    await get('192.0.2.200', 'python-httpx/0.28');
    await get('2001:db8:1:2::3', 'python-httpx/0.28');
    await get('::ffff:192.0.2.3', 'Go-http-client/2.0');
    await flush();

    const from = (network: string, user_agent: string) => ({ network, user_agent });
    expect(await rows()).toEqual([
      {
        ...from('192.0.2.0/24', 'Go-http-client/2.0'),
        ...{ fetches: 1, first_fetched_at: LATER, last_fetched_at: LATER },
      },
      {
        ...from('192.0.2.0/24', 'python-httpx/0.28'),
        ...{ fetches: 2, first_fetched_at: START, last_fetched_at: LATER },
      },
      {
        ...from('2001:db8:1::/48', 'python-httpx/0.28'),
        ...{ fetches: 1, first_fetched_at: LATER, last_fetched_at: LATER },
      },
    ]);
  });

  it('is counted under the newest key of the document, because it has all older keys, too', async () => {
    await get('192.0.2.1', 'a');
    await flush();
    const { rows } = await client.query('SELECT newest_kid FROM key_set_fetches');
    expect(rows).toEqual([{ newest_kid: await newestKid() }]);
    const document = (await (await get('192.0.2.1', 'a')).json()) as { keys: { kid: string }[] };
    expect(document.keys.at(-1)?.kid).toBe(await newestKid());
  });

  it('is counted with a copy that is still good, and not when it asks for less', async () => {
    const etag = (await get('192.0.2.1', 'first')).headers.get('etag') ?? '';
    const again = await get('192.0.2.1', 'again', {}, { 'if-none-match': etag });
    expect(again.status).toBe(304);
    await get('192.0.2.1', 'a monitor', { method: 'HEAD' });
    await get('192.0.2.1', 'discovery', { path: '/.well-known/openid-configuration' });
    await flush();
    expect(await rows()).toMatchObject([{ user_agent: 'again' }, { user_agent: 'first' }]);
  });

  it('leaves nothing that it invented, except a printable user agent', async () => {
    const forged = 'x'.repeat(15_000);
    expect((await get('unknown', 'a\u0085"}\u009b31m', {})).status).toBe(200);
    expect((await get("'; DROP TABLE licenses; --", forged)).status).toBe(200);
    await flush();
    expect(await rows()).toMatchObject([
      { network: 'other', user_agent: 'a"}31m' },
      { network: 'other', user_agent: 'x'.repeat(120) },
    ]);
  });

  it('cannot make the list long or wrong with a flood of names from one network', async () => {
    for (let index = 0; index < 100; index += 1) await get('198.51.100.1', `flood ${index}`);
    await get('192.0.2.1', 'a validator');
    await flush();
    for (let index = 100; index < 200; index += 1) await get('198.51.100.1', `flood ${index}`);
    await flush();
    const counted = (await rows()) as { user_agent: string; fetches: number }[];
    expect(counted).toHaveLength(12);
    expect(counted).toContainEqual(expect.objectContaining({ user_agent: 'a validator' }));
    expect(counted).toContainEqual(expect.objectContaining({ user_agent: 'other', fetches: 190 }));
  });

  it('is counted once, also when the database takes no counts for a while', async () => {
    await get('192.0.2.1', 'patient');
    await client.query('ALTER TABLE key_set_fetches RENAME TO elsewhere');
    await expect(flush()).rejects.toThrow('key_set_fetches');
    expect((await get('192.0.2.1', 'patient')).status).toBe(200);
    await client.query('ALTER TABLE elsewhere RENAME TO key_set_fetches');
    await flush();
    await flush();
    expect(await rows()).toMatchObject([{ user_agent: 'patient', fetches: 2 }]);
  });

  it('is written by a replica that stops, up to its last answer', async () => {
    const replica = await startTestIssuer({ sharing: issuer, clock });
    const { rows: keys } = await client.query<{ kid: string }>('SELECT kid FROM signing_keys');
    await whileItDrains(replica, () => {
      const fetches = replica.running.app.get(KeySetFetches);
      fetches.note(keys[0]?.kid ?? '', 'the last one', '127.0.0.1', clock.now());
    });
    expect(await rows()).toMatchObject([{ network: '127.0.0.0/24', user_agent: 'the last one' }]);
  });
});
