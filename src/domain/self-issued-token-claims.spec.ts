import { selfIssuedTokenFaults, serviceTokenFaults } from './lint-service-token-claims.js';
import { selfIssuedTokenClaims } from './self-issued-token-claims.js';
import { uuidV7 } from './uuid-v7.js';

const NOW = new Date('2026-06-15T12:00:00.400Z');
const IAT = 1_781_524_800;
const POLICY = { issuer: 'https://issuer.test', ttlSeconds: 259_200, notBeforeSkewSeconds: 5 };
const INSTANCE = 'EA8BF810-1D6F-4A6A-B4FD-93E8CBD8B57F';
const JTI = uuidV7(NOW, new Uint8Array(10));
const GRANTED = { scopes: ['ask_epic', 'duo_chat'], audiences: ['gitlab-ai-gateway'] };
const EXTRA = { gitlab_namespace_ids: ['9', 10], gitlab_project_id: 3 };
const FACTS = {
  instanceId: INSTANCE,
  resolution: GRANTED,
  policy: POLICY,
  now: NOW,
  jti: JTI,
};

const claims = (extra = {}, statusIndex: number | null = null) =>
  selfIssuedTokenClaims({ ...FACTS, extraClaims: extra, statusIndex });

describe('the claims of a self-issued token', () => {
  it('are those of the platform for an hour, and name no user and no instance uid', () => {
    expect(claims()).toEqual({
      iss: 'https://issuer.test',
      aud: ['gitlab-ai-gateway'],
      sub: INSTANCE,
      iat: IAT - 5,
      nbf: IAT - 5,
      exp: IAT + 3600,
      jti: JTI,
      gitlab_realm: 'saas',
      scopes: ['ask_epic', 'duo_chat'],
    });
  });

  it('have what the caller has added, and a place in a status list, at the top level', () => {
    expect(claims(EXTRA, 7)).toMatchObject({
      ...EXTRA,
      status: { status_list: { idx: 7, uri: 'https://issuer.test/status/0' } },
    });
  });

  it('are found sound by the lint, with extra claims or without', () => {
    for (const sound of [claims(), claims(EXTRA), claims(EXTRA, 7)]) {
      expect(selfIssuedTokenFaults(sound, POLICY, NOW)).toEqual([]);
    }
  });

  it.each([
    ['gitlab_realm', 'self-managed'],
    ['gitlab_instance_uid', 'b2f7'],
    ['exp', IAT + 3601],
    ['sub', 'user 7'],
    ['gitlab_project_id', { id: 3 }],
    ['gitlab_namespace_ids', []],
    ['duo_seat_count', '5'],
    ['user_id', '7'],
  ])('are refused by the lint with another %s', (claim, value) => {
    const faults = selfIssuedTokenFaults({ ...claims(EXTRA), [claim]: value }, POLICY, NOW);
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual([claim]);
  });

  it('are not those of an instance, nor the other way round', () => {
    const faults = serviceTokenFaults(claims(EXTRA), POLICY, NOW).map((one) => one.split(' ')[0]);
    expect(faults).toEqual([
      ...['gitlab_realm', 'gitlab_instance_uid', 'gitlab_namespace_ids', 'gitlab_project_id'],
    ]);
  });
});
