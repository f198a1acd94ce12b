import { Client } from 'pg';
import { KeySetFetches } from '../../src/signing-keys/key-set-fetches.js';
import { whileItDrains } from '../support/draining.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const KEYS = '/oauth/discovery/keys';
const START = new Date('2026-06-15T12:00:00Z');
const LATER = new Date('2026-06-15T12:00:30Z');

describe('who fetched the key set', () => {
  let issuer: TestIssuer;
  let client: Client;
  const clock = new FakeClock(START);

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock, environment: { TRUSTED_PROXIES: '127.0.0.0/8' } });
    client = new Client({ connectionString: issuer.database.url });
    await client.connect();
  });
  beforeEach(async () => {
    clock.set(START);
    await flush();
    await client.query('DELETE FROM key_set_fetches');
  });
  afterAll(async () => {
    await client.end();
    await issuer.stop();
  });

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

  it('is noted under the newest key of the document, for whoever has that has all before it', async () => {
    await get('192.0.2.1', 'a');
    await flush();
    const { rows } = await client.query('SELECT newest_kid FROM key_set_fetches');
    expect(rows).toEqual([{ newest_kid: await newestKid() }]);
    const document = (await (await get('192.0.2.1', 'a')).json()) as { keys: { kid: string }[] };
    expect(document.keys.at(-1)?.kid).toBe(await newestKid());
  });

  it('includes whoever learns that his copy is still good, and nobody who asks for less', async () => {
    const etag = (await get('192.0.2.1', 'first')).headers.get('etag') ?? '';
    const again = await get('192.0.2.1', 'again', {}, { 'if-none-match': etag });
    expect(again.status).toBe(304);
    await get('192.0.2.1', 'a monitor', { method: 'HEAD' });
    await get('192.0.2.1', 'discovery', { path: '/.well-known/openid-configuration' });
    await flush();
    expect(await rows()).toMatchObject([{ user_agent: 'again' }, { user_agent: 'first' }]);
  });

  it('shows nothing that a client made up, beyond a user agent that can be printed', async () => {
    const forged = 'x'.repeat(15_000);
    expect((await get('unknown', 'a\u0085"}\u009b31m', {})).status).toBe(200);
    expect((await get("'; DROP TABLE licenses; --", forged)).status).toBe(200);
    await flush();
    expect(await rows()).toMatchObject([
      { network: 'other', user_agent: 'a"}31m' },
      { network: 'other', user_agent: 'x'.repeat(120) },
    ]);
  });

  it('stays short and whole under a flood of names from one network', async () => {
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

  it('is kept while the database takes no counts, and counted once', async () => {
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
