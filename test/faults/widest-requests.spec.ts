import { request } from 'node:http';
import { connect } from 'node:net';
import {
  buildIssuer,
  type ChildIssuer,
  createLicense,
  startChildIssuer,
} from '../support/child-issuer.js';
import { KeySetWatch } from '../support/key-set-watch.js';
import { ID, INSTANCES, type Operation, readOperations } from '../support/operations.js';
import { times } from '../support/proofs.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import {
  widestBodiesOf,
  widestQueriesOf,
  widestVariables,
  WIDEST_BODIES,
  WIDEST_DOCUMENTS,
  WIDEST_HEADERS,
} from '../support/widest-inputs.js';

/** How long one request may delay the key set for everybody else. */
const BOUND_MS = times(50, 250);
/** In the quick form, one of this many combinations is tried. Each input is tried with some operation. */
const EVERY = times(1, 17);
/** A name, a request, and a repeated request where that differs. Both return a status. */
type Input = readonly [what: string, ask: () => Promise<number>, again?: () => Promise<number>];

describe('a request does not delay the key set for others', () => {
  let database: TestDatabase;
  let issuer: ChildIssuer;
  let watch: KeySetWatch;
  let operations: readonly Operation[];
  let turn = 0;

  beforeAll(async () => {
    await buildIssuer();
    database = await createTestDatabase();
    issuer = await startChildIssuer(database.url, {
      SELF_ISSUED_INSTANCE_ID: ID,
      TRUSTED_PROXIES: '127.0.0.0/8',
      // Its offset had seconds until 1920.
      TZ: 'Asia/Kathmandu',
    });
    await issuer.listening;
    operations = await readOperations(issuer.url);
    watch = new KeySetWatch(issuer);
  }, 60_000);
  afterAll(async () => {
    await watch.stop();
    await issuer.remove();
    await database.drop();
  });

  /** The inputs that held the event loop for too long, or were answered with a failure of ours. */
  async function offencesOf(inputs: readonly Input[]): Promise<string[]> {
    const offences: string[] = [];
    for (const [what, ask, again] of inputs) {
      const statuses: number[] = [];
      const once = async () => {
        const first = await watch.heldMs(async () => statuses.push(await ask()));
        if (again === undefined) return first;
        return Math.max(first, await watch.heldMs(async () => statuses.push(await again())));
      };
      const held = await once();
      const ms = held < BOUND_MS ? held : Math.min(held, await once());
      if (ms >= BOUND_MS) offences.push(`${what}: ${Math.round(ms)} ms`);
      const failure = statuses.find((status) => status >= 500);
      if (failure !== undefined) offences.push(`${what}: ${failure}`);
    }
    return offences;
  }

  /** In the quick form only a few, which differ by operation. */
  const isChosen = () => (turn += 1) % EVERY === 0;

  function send(
    name: string,
    query: string | null,
    body?: string | Buffer,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const [method = '', path = ''] = name.split(' ');
    const url = `${issuer.url}${path}${query === null ? '' : `?${query}`}`;
    const isAdmin = path.startsWith('/api/v1/') && !INSTANCES.includes(name);
    const token = issuer.environment.BOOTSTRAP_ADMIN_TOKEN ?? '';
    return new Promise((done, failed) => {
      const asked = request(url, {
        method,
        headers: {
          ...(isAdmin ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      });
      asked.on('error', failed).on('response', (answer) => {
        answer.resume().on('end', () => {
          done(answer.statusCode ?? 0);
        });
      });
      asked.end(body);
    });
  }

  it('and an instant of any year is kept as it was sent, in any time zone', async () => {
    const license_key = await createLicense(issuer);
    for (const timestamp of ['0001-01-01T00:00:00.000Z', '1919-12-31T18:18:43.999Z']) {
      const seatLink = { license_key, instance_id: ID, timestamp, billable_users_count: 1 };
      const body = JSON.stringify(seatLink);
      expect(await send('POST /api/v1/seat_links', null, body)).toBe(200);
      const answer = await issuer.admin('GET', `instances?instance_uuid=${ID}`);
      expect(await answer.text()).toContain(`"reported_at":"${timestamp}"`);
    }
  });

  it('with the widest bodies, in any operation', async () => {
    const inputs = operations
      .filter(({ name }) => !name.startsWith('GET '))
      .flatMap(({ name, members }) =>
        [...WIDEST_BODIES, ...widestBodiesOf(members)].map(
          ([what, make]) => [`${name}, ${what}`, () => send(name, null, make())] as const,
        ),
      );
    expect(inputs.length).toBeGreaterThan(500);
    expect(await offencesOf(inputs.filter(isChosen))).toEqual([]);
  }, 300_000);

  it('with the longest queries and headers, in any operation', async () => {
    const inputs = operations.flatMap(({ name, parameters }) => [
      ...widestQueriesOf(parameters).map(
        (query) => [`${name}?${query.slice(0, 40)}`, () => send(name, query)] as const,
      ),
      ...WIDEST_HEADERS.map((headers) => {
        const body = name.startsWith('GET ') ? undefined : '{}';
        const what = JSON.stringify(headers).slice(0, 40);
        return [`${name}, ${what}`, () => send(name, null, body, headers)] as const;
      }),
    ]);
    expect(await offencesOf(inputs.filter(isChosen))).toEqual([]);
  }, 300_000);

  it('with any GraphQL document, also when it is repeated and compiled', async () => {
    const licenseKey = await createLicense(issuer);
    const variables = { licenseKey, gitlabVersion: '18.5.0' };
    const all = [
      ...WIDEST_DOCUMENTS.map((query) => [query, variables] as const),
      ...widestVariables(licenseKey),
    ];
    let documents = 0;
    const inputs = all.map(([query, given]): Input => {
      // Each try sends another document, because a known one is compiled already.
      const body = () => JSON.stringify({ query: `${query} #${documents}`, variables: given });
      const ask = () => send('POST /graphql', null, body(), { 'x-gitlab-instance-id': ID });
      const fresh = () => {
        documents += 1;
        return ask();
      };
      return [query.slice(0, 200).replaceAll(/\s+/g, ' '), fresh, ask];
    });
    expect(await offencesOf(inputs)).toEqual([]);
  }, 120_000);

  it('with the largest valid bodies', async () => {
    await createLicense(issuer);
    const { items } = await json(await issuer.admin('GET', 'licenses'));
    const purchases = await issuer.admin('GET', `licenses/${items[0]?.id ?? ''}/add_on_purchases`);
    const purchase = (await json(purchases)).items[0]?.id ?? '';
    await issuer.admin('PATCH', `add_on_purchases/${purchase}`, { quantity: 1000 });
    const user_ids = Array.from({ length: 1000 }, (_, n) => `${n}`.padStart(255, 'u'));
    const path = `POST /api/v1/add_on_purchases/${purchase}/seat_assignments`;
    const metrics = Array(100).fill({ add_on_type: 'duo', purchased_seats: 1, assigned_seats: 1 });
    const unit_primitives = Array(500).fill('duo_chat');
    const inputs = [
      ['seats for 1000 users', () => send(path, null, JSON.stringify({ user_ids }))],
      [
        'a seat link with 100 add-ons',
        () => send('POST /api/v1/seat_links', null, JSON.stringify({ add_on_metrics: metrics })),
      ],
      [
        'a token for 500 unit primitives',
        () =>
          send(
            'POST /api/v1/self_issued_tokens',
            null,
            JSON.stringify({ user: user_ids[0], unit_primitives }),
          ),
      ],
    ] as const;
    expect(await offencesOf(inputs)).toEqual([]);
  });

  it.each(['GET /oauth/discovery/keys', 'POST /graphql', 'POST /nowhere'])(
    'in chunks of one byte: %s',
    async (name) => {
      const [method, path] = name.split(' ');
      const head = `${method ?? ''} ${path ?? ''} HTTP/1.1\r\nhost: x\r\n`;
      const type = 'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
      const bytes = `${head}${type}${'1\r\n \r\n'.repeat(1_000_000)}0\r\n\r\n`;
      expect(await offencesOf([[name, () => sendBytes(issuer.url, bytes)]])).toEqual([]);
    },
  );
});

async function json(answer: Response): Promise<{ readonly items: readonly { id: string }[] }> {
  return (await answer.json()) as { items: { id: string }[] };
}

/** Sends bytes and waits until the service ends the connection. @returns the status of its answer */
function sendBytes(url: string, bytes: string): Promise<number> {
  return new Promise((done) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let answer = '';
    socket.on('close', () => {
      done(Number(answer.split(' ')[1] ?? 0));
    });
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
    socket.on('error', () => undefined).end(bytes);
  });
}
