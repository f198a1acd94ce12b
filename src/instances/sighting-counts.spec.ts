import { randomUUID } from 'node:crypto';
import { type AdmittedRequest, SightingCounts } from './sighting-counts.js';

const at = (second: number): Date => new Date(Date.UTC(2026, 2, 1, 0, 0, second));

function request(about: Partial<AdmittedRequest> = {}): AdmittedRequest {
  return {
    licenseId: 'a license',
    instanceId: 'an instance',
    address: '192.0.2.1',
    hostName: 'gitlab.example.com',
    byPreviousKey: false,
    at: at(0),
    ...about,
  };
}

describe('the requests of a few seconds', () => {
  it('are added up for each instance, by network and by host name', () => {
    const counts = new SightingCounts();
    counts.note(request());
    counts.note(request({ address: '192.0.2.99', hostName: 'GITLAB.example.com', at: at(2) }));
    counts.note(
      request({ address: '::ffff:198.51.100.1', hostName: null, byPreviousKey: true, at: at(1) }),
    );
    counts.note(request({ address: 'no address', at: at(3) }));
    const [one, ...others] = counts.all();
    expect(others).toEqual([]);
    const row = (
      value: string,
      requests: number,
      from: number,
      to: number,
      old: Date | null = null,
    ) => ({
      ...{ value, requests, firstSeenAt: at(from), lastSeenAt: at(to), previousKeyLastUsedAt: old },
    });
    expect(one).toEqual({
      licenseId: 'a license',
      instanceId: 'an instance',
      networks: [
        row('192.0.2.0/24', 2, 0, 2),
        row('198.51.100.0/24', 1, 1, 1, at(1)),
        row('other', 1, 3, 3),
      ],
      hostNames: [row('gitlab.example.com', 3, 0, 3)],
    });
  });

  it('have 20 places of each kind for an instance; the rest shares the last one', () => {
    const counts = new SightingCounts();
    for (let index = 0; index < 100; index += 1) {
      counts.note(request({ address: `10.0.${index}.1`, hostName: `host-${index}` }));
    }
    const [one] = counts.all();
    for (const places of [one?.networks, one?.hostNames]) {
      expect(places).toHaveLength(20);
      expect(places?.at(-1)).toMatchObject({ value: 'other', requests: 81 });
    }
  });

  it('have 200 places for the instances of a license, and those of others are not in need', () => {
    const counts = new SightingCounts();
    const instances = Array.from({ length: 250 }, () => ({ instanceId: randomUUID() }));
    const found = instances.map((one) => counts.note(request(one)));
    expect(found.filter((one) => !one)).toHaveLength(50);
    expect(counts.note(request(instances[0]))).toBe(true);
    expect(counts.note(request({ licenseId: 'another' }))).toBe(true);
    expect(counts.all()).toHaveLength(201);
  });

  it('have 10,000 places in all', () => {
    const counts = new SightingCounts();
    for (let index = 0; index < 10_010; index += 1) {
      counts.note(request({ licenseId: `license ${index}` }));
    }
    expect(counts.all()).toHaveLength(10_000);
  });

  it('are taken back when they could not be written, and added to what came meanwhile', () => {
    const counts = new SightingCounts();
    counts.note(request());
    const [unwritten] = counts.all();
    const next = new SightingCounts();
    next.note(request({ at: at(5) }));
    if (unwritten) next.restore(unwritten);
    expect(next.all()[0]?.networks).toMatchObject([
      { requests: 2, firstSeenAt: at(0), lastSeenAt: at(5) },
    ]);
  });
});
