import { generateKeyPairSync, sign } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import {
  createVerifier,
  type VerifierEvent,
  type VerifierOptions,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { FakeClock } from '../support/fake-clock.js';
import { AUDIENCE, ForeignIssuer, part, requestHeaders } from './foreign-issuer.js';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const EC_JWK = { ...publicKey.export({ format: 'jwk' }), kid: 'list', use: 'sig', alg: 'ES256' };

type Json = Record<string, unknown>;

describe('the status of a token', () => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  let events: VerifierEvent[];
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    events = [];
    issuer = await new ForeignIssuer().start();
    issuer.answers.set('/oauth/discovery/auxiliary_keys', { keys: [EC_JWK] });
  });
  afterEach(() => issuer.stop());

  const created = (about: Partial<VerifierOptions> = {}) =>
    createVerifier({
      issuers: [issuer.url],
      audience: AUDIENCE,
      clock: () => clock.now(),
      statusList: true,
      onEvent: (event) => events.push(event),
      ...about,
    });
  async function codeFor(verifier: ReturnType<typeof created>, idx: unknown = 1, uri = listUri()) {
    const token = issuer.token(clock.now(), { status: { status_list: { idx, uri } } });
    const verdict = await verifier.verify(requestHeaders(token));
    return verdict.accepted ? 'accepted' : verdict.code;
  }
  const listUri = () => `${issuer.url}/status/0`;
  const seconds = () => Math.floor(clock.now().getTime() / 1000);

  function statusList(about: Json = {}, header: Json = {}, bytes = [0b1010_0000, 1], bits = 1) {
    const lst = deflateSync(Buffer.from(bytes)).toString('base64url');
    const lasting = { iat: seconds(), exp: seconds() + 14_400, ttl: 300 };
    const claims = { sub: listUri(), ...lasting, status_list: { bits, lst }, ...about };
    const head = { typ: 'statuslist+jwt', alg: 'ES256', kid: 'list', ...header };
    const input = `${part(head)}.${part(claims)}`;
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  }
  function publish(jwt: string, contentType = 'application/statuslist+jwt', age = '0') {
    issuer.answers.set('/status/0', (response) =>
      response.writeHead(200, { 'content-type': contentType, age }).end(jwt),
    );
  }

  it.each([
    [0, 'accepted'],
    [4, 'accepted'],
    [5, 'TOKEN_REVOKED'],
    [7, 'TOKEN_REVOKED'],
    [8, 'TOKEN_REVOKED'],
    [9, 'accepted'],
    [15, 'accepted'],
    [16, 'STATUS_REFERENCE_INVALID'],
    [-1, 'STATUS_REFERENCE_INVALID'],
    [1.5, 'STATUS_REFERENCE_INVALID'],
    ['5', 'STATUS_REFERENCE_INVALID'],
  ])('at index %s of a list is %s', async (idx, code) => {
    publish(statusList());
    expect(await codeFor(created(), idx)).toBe(code);
  });

  it('may have two bits, and counts as revoked unless it is 0', async () => {
    publish(statusList({}, {}, [0b11_10_01_00], 2));
    const verifier = created();
    const codes = await Promise.all([0, 1, 2, 3].map((idx) => codeFor(verifier, idx)));
    expect(codes).toEqual(['accepted', 'TOKEN_REVOKED', 'TOKEN_REVOKED', 'TOKEN_REVOKED']);
    expect(issuer.fetches('/status/0')).toBe(1);
  });

  it('is not read unless the option is set, nor for a token without one', async () => {
    publish(statusList());
    expect(await codeFor(created({ statusList: false }), 5)).toBe('accepted');
    const verdict = await created().verify(requestHeaders(issuer.token(clock.now())));
    expect(verdict.accepted).toBe(true);
    expect(issuer.fetches('/status/0')).toBe(0);
  });

  it('stays revoked when the list that said so has expired and no other can be fetched', async () => {
    publish(statusList());
    const verifier = created();
    expect(await codeFor(verifier, 5)).toBe('TOKEN_REVOKED');
    issuer.answers.delete('/status/0');
    clock.advance(14_400_000);
    const token = (idx: number) =>
      issuer.token(clock.now(), { status: { status_list: { idx, uri: listUri() } } });
    expect(await verifier.verify(token(5))).toMatchObject({ code: 'TOKEN_REVOKED' });
    expect(await verifier.verify(token(4))).toMatchObject({ accepted: true });
  });

  it('is read only from its issuer', async () => {
    for (const uri of ['https://evil.example/status/0', 'file:///etc/passwd', '/status/0', '']) {
      expect(await codeFor(created(), 1, uri)).toBe('STATUS_REFERENCE_INVALID');
    }
    for (const status of [null, [], {}, { status_list: null }, { status_list: { idx: 1 } }]) {
      const token = issuer.token(clock.now(), { status });
      const verdict = await created().verify(requestHeaders(token));
      expect(verdict).toMatchObject({ code: 'STATUS_REFERENCE_INVALID', status: 401 });
    }
  });

  const bad: [string, () => void][] = [
    [
      'of another address',
      () => {
        publish(statusList({ sub: 'https://other.example/status/0' }));
      },
    ],
    [
      'that has expired',
      () => {
        publish(statusList({ exp: seconds() }));
      },
    ],
    [
      'with the typ of a token',
      () => {
        publish(statusList({}, { typ: 'JWT' }));
      },
    ],
    [
      'with an unknown key',
      () => {
        publish(statusList({}, { kid: 'other' }));
      },
    ],
    [
      'without iat',
      () => {
        publish(statusList({ iat: undefined }));
      },
    ],
    [
      'with a ttl of nothing',
      () => {
        publish(statusList({ ttl: 0 }));
      },
    ],
    [
      'with three bits',
      () => {
        publish(statusList({}, {}, [0], 3));
      },
    ],
    [
      'of bytes that are not deflated',
      () => {
        publish(statusList({ status_list: { bits: 1, lst: 'AAAA' } }));
      },
    ],
    [
      'that inflates without end',
      () => {
        publish(statusList({}, {}, new Array<number>(5_000_000).fill(0)));
      },
    ],
    [
      'with a foreign signature',
      () => {
        publish(`${statusList().split('.').slice(0, 2).join('.')}.AAAA`);
      },
    ],
    [
      'signed with the key of tokens',
      () => {
        publish(issuer.token(clock.now(), {}, { typ: 'statuslist+jwt' }));
      },
    ],
    [
      'under another content type',
      () => {
        publish(statusList(), 'application/jwt');
      },
    ],
    ['that is not there', () => undefined],
  ];

  it.each(bad)('is unknown with a list %s', async (_what, arrange) => {
    arrange();
    expect(await codeFor(created({ whenStatusUnavailable: 'refuse' }), 5)).toBe(
      'STATUS_UNAVAILABLE',
    );
    expect(await codeFor(created(), 5)).toBe('accepted');
    const told = events.filter(({ type }) => type === 'status_list_unavailable');
    expect(told).toMatchObject([{ issuer: issuer.url, uri: listUri() }, { uri: listUri() }]);
  });

  it('is kept while it is used, however many other lists tokens name meanwhile', async () => {
    const uris = Array.from({ length: 140 }, (_, n) => `${issuer.url}/status/${n + 1}`);
    let fetched = 0;
    for (const uri of [listUri(), ...uris]) {
      issuer.answers.set(new URL(uri).pathname, (response) => {
        fetched += 1;
        const type = { 'content-type': 'application/statuslist+jwt' };
        response.writeHead(200, type).end(statusList({ sub: uri }));
      });
    }
    const verifier = created();
    for (const uri of uris) {
      expect(await codeFor(verifier)).toBe('accepted');
      expect(await codeFor(verifier, 1, uri)).toBe('accepted');
    }
    expect(fetched).toBe(141);
  });

  it.each([
    ['100', 200],
    ['299', 10],
    ['86400', 10],
  ])('is fetched again after its ttl of 300 s less its Age of %s s', async (age, seconds) => {
    publish(statusList(), 'application/statuslist+jwt', age);
    const verifier = created();
    expect(await codeFor(verifier, 5)).toBe('TOKEN_REVOKED');
    publish(statusList({}, {}, [0, 0]));
    clock.advance(seconds * 1000 - 1);
    expect(await codeFor(verifier, 5)).toBe('TOKEN_REVOKED');
    clock.advance(1);
    expect(await codeFor(verifier, 5)).toBe('accepted');
  });

  it('is fetched again after its ttl, and kept until its exp while the issuer is away', async () => {
    publish(statusList());
    const verifier = created({ whenStatusUnavailable: 'refuse' });
    expect(await codeFor(verifier, 5)).toBe('TOKEN_REVOKED');
    clock.advance(299_999);
    publish(statusList({}, {}, [0, 0]));
    expect(await codeFor(verifier, 5)).toBe('TOKEN_REVOKED');
    clock.advance(1);
    expect(await codeFor(verifier, 5)).toBe('accepted');
    const lastExp = seconds() + 14_399;
    issuer.answers.delete('/status/0');
    clock.set(new Date(lastExp * 1000 - 1));
    expect(await codeFor(verifier, 5)).toBe('accepted');
    clock.advance(31_000);
    expect(await codeFor(verifier, 5)).toBe('STATUS_UNAVAILABLE');
    const asked = issuer.fetches('/status/0');
    await codeFor(verifier, 5);
    expect(issuer.fetches('/status/0')).toBe(asked);
  });
});
