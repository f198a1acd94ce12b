import { randomUUID } from 'node:crypto';
import {
  createInstanceClient,
  memoryStore,
  type TokenStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.js';

const DENIED = { errors: [{ message: 'no', extensions: { code: 'LICENSE_EXPIRED' } }] };

describe('the schedule of an instance client', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  /** The first `count` waits in minutes; `random` is what chance says. */
  async function waits(count: number, random: () => number, store: TokenStore = memoryStore()) {
    const minutes: number[] = [];
    let isEnough = (): void => undefined;
    const enough = new Promise<void>((done) => (isEnough = done));
    const client = createInstanceClient({
      url: server.url,
      instanceId: randomUUID(),
      hostname: 'gitlab.example.com',
      gitlabVersion: '18.5.0-ee',
      licenseKey: 'the key',
      store,
      clock,
      random,
      wait: (milliseconds, signal) => {
        minutes.push(milliseconds / 60_000);
        if (minutes.length < count) return Promise.resolve();
        isEnough();
        return new Promise((_, stopped) => {
          signal.addEventListener('abort', () => {
            stopped(new Error('stopped'));
          });
        });
      },
    });
    client.start();
    client.start();
    await enough;
    await client.stop();
    return minutes;
  }

  it('is an hour, give or take six minutes, from check to check; a denial changes nothing', async () => {
    server.script(DENIED);
    const chances = [0, 0.5, 1];
    const minutes = await waits(3, () => chances.shift() ?? 0);
    expect(minutes.map(Math.round)).toEqual([54, 60, 66]);
    expect(server.received).toHaveLength(3);
  });

  it('stays away for as long as Retry-After asks, where that is longer than its own pause', async () => {
    server.script(json(503, DENIED, { 'retry-after': '7200' }));
    expect((await waits(2, () => 0.5)).map(Math.round)).toEqual([126, 126]);
  });

  it.each(['121', '1200', '3240'])('comes no sooner for a Retry-After of %s s', async (seconds) => {
    server.script(json(503, DENIED, { 'retry-after': seconds }));
    expect((await waits(2, () => 0.5)).map(Math.round)).toEqual([60, 60]);
  });

  it('comes no sooner after an outage whose quick retries were all in vain', async () => {
    server.script(json(503, DENIED, { 'retry-after': '1' }));
    const quickRetries = 3;
    const minutes = await waits(quickRetries + 1, () => 0.5);
    expect(Math.round(minutes[quickRetries] ?? 0)).toBe(60);
  });

  it('goes on when the store fails, and tries sooner', async () => {
    const store: TokenStore = {
      read: () => Promise.reject(new Error('the disk is full')),
      update: () => Promise.reject(new Error('the disk is full')),
    };
    expect((await waits(3, () => 0.5, store)).map(Math.round)).toEqual([6, 6, 6]);
  });
});
