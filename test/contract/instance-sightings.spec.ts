import { randomUUID } from 'node:crypto';
import { registerPaidLicense } from '../support/builders.js';
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
const START = '2026-03-10T12:00:00.000Z';

describe('where an instance is used', () => {
  const clock = new FakeClock(new Date(START));
  let issuer: TestIssuer;
  let license: { readonly id: string; readonly licenseKey: string };
  let instanceId: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { TRUSTED_PROXIES: '127.0.0.0/8' } });
    stopJobs(issuer);
  });
  beforeEach(async () => {
    clock.set(START);
    instanceId = randomUUID();
    license = await registerPaidLicense(issuer);
  });
  afterAll(() => issuer.stop());

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
    const times = { first_seen_at: START, last_seen_at: later, last_old_key_at: null };
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

  it('is shown of an instance by itself as in the list, and nothing before its first request', async () => {
    await sync('192.0.2.1');
    const [unseen] = await listSeen(issuer, `license_id=${license.id}`);
    expect(unseen).toMatchObject({ networks: [], host_names: [], suspicious: [] });
    const instance = await shown();
    expect(await (await issuer.admin('GET', `instances/${instance.id}`)).json()).toEqual(instance);
  });

  it('is added to from one look to the next, and kept for 14 days', async () => {
    await sync('192.0.2.1');
    await writeSightings(issuer);
    clock.advance(13 * DAY);
    await sync('198.51.100.1');
    expect((await shown()).networks).toHaveLength(2);
    clock.advance(DAY);
    expect((await shown()).networks).toMatchObject([{ network: '198.51.100.0/24' }]);
  });

  it('counts the instance that a request without an id is about, and no header that is no UUID', async () => {
    await sync('192.0.2.1');
    await sync('192.0.2.2', { instanceId: null }, GENERATIONS['the documented script']);
    await sync('203.0.113.9', { instanceId: 'not set' });
    expect((await shown()).networks).toMatchObject([{ network: '192.0.2.0/24', requests: 2 }]);
  });

  it('counts nobody who is not let in: unknown keys, revoked licenses', async () => {
    await sync('192.0.2.1');
    await sync('203.0.113.1', { licenseKey: 'nobody has registered this key' });
    await issuer.admin('POST', `licenses/${license.id}/revoke`);
    expect((await sync('203.0.113.2')).code).toBe('LICENSE_REVOKED');
    expect(await seatLink('203.0.113.3')).toBe(422);
    expect((await shown()).networks).toMatchObject([{ network: '192.0.2.0/24', requests: 1 }]);
  });

  it('tells of requests with an old license key, by which a thief may be known', async () => {
    await sync('192.0.2.1');
    await issuer.admin('POST', `licenses/${license.id}/replace_key`);
    clock.advance(1000);
    await sync('203.0.113.1');
    const { networks } = await shown();
    expect(networks.map(({ last_old_key_at }) => last_old_key_at)).toEqual([
      '2026-03-10T12:00:01.000Z',
      null,
    ]);
  });

  it('stays bounded, whatever the holder of a key makes up', async () => {
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

  it('is written apart: no request waits for it', async () => {
    await sync('192.0.2.1');
    const rows = () => select(issuer, 'SELECT * FROM instance_sightings');
    const before = await rows();
    await sync('192.0.2.1');
    await seatLink('192.0.2.1');
    expect(await rows()).toEqual(before);
  });

  it('is written once a stop begins', async () => {
    const other = await startTestIssuer({ clock, sharing: issuer });
    const instance = new GitlabInstance(other.url, { licenseKey: license.licenseKey, instanceId });
    await instance.serviceToken();
    await other.stop();
    const [stopped] = await listSeen(issuer, `license_id=${license.id}`);
    expect(stopped?.networks).toMatchObject([{ network: '127.0.0.0/24', requests: 1 }]);
  });
});
