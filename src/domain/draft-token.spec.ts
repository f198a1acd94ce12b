import { draftToken } from './draft-token.js';
import { uuidV7 } from './uuid-v7.js';

const NOW = new Date('2026-06-15T12:00:00.400Z');
const FACTS = {
  instanceId: 'E2F5D0A4-1B7C-4C3E-9A60-0A1B2C3D4E5F',
  resolution: { scopes: ['ask_epic', 'duo_chat'], audiences: ['gitlab-ai-gateway'] },
  policy: { issuer: 'https://issuer.test', ttlSeconds: 259_200, notBeforeSkewSeconds: 5 },
  now: NOW,
  jti: uuidV7(NOW, new Uint8Array(10)),
  statusIndex: 7,
};
const SERVICE_TOKEN = { ...FACTS, license: { expiresOn: '2027-01-01' }, instanceUid: 'a-uid' };
const SELF_ISSUED = { ...FACTS, extraClaims: { gitlab_project_id: 3 } };

const membersOf = ({ payload }: { readonly payload: Buffer }) =>
  Object.keys(JSON.parse(payload.toString()) as object);

describe('the draft of a token', () => {
  it('has the claims in the order in which the ledger is audited', () => {
    const first = ['iss', 'aud', 'sub', 'iat', 'nbf', 'exp', 'jti', 'gitlab_realm'];
    expect(membersOf(draftToken(SERVICE_TOKEN))).toEqual([
      ...first,
      ...['gitlab_instance_uid', 'scopes', 'status'],
    ]);
    expect(membersOf(draftToken(SELF_ISSUED))).toEqual([
      ...first,
      ...['scopes', 'status', 'gitlab_project_id'],
    ]);
  });

  it('expires after the configured lifetime, and a self-issued one after an hour', () => {
    expect(draftToken(SERVICE_TOKEN).expiresAt).toEqual(new Date('2026-06-18T12:00:00Z'));
    expect(draftToken(SELF_ISSUED).expiresAt).toEqual(new Date('2026-06-15T13:00:00Z'));
  });

  it('keeps its identity and has no faults when the facts are sound', () => {
    for (const facts of [SERVICE_TOKEN, SELF_ISSUED]) {
      const { jti, statusIndex } = FACTS;
      expect(draftToken(facts)).toMatchObject({ jti, statusIndex, faults: [] });
    }
  });

  it('names what the lint found, by the rules of its own kind', () => {
    const faultsOf = (facts: Parameters<typeof draftToken>[0]) =>
      draftToken(facts).faults.map((fault) => fault.split(' ')[0]);
    expect(faultsOf({ ...SERVICE_TOKEN, instanceUid: '' })).toEqual(['gitlab_instance_uid']);
    expect(faultsOf({ ...SELF_ISSUED, instanceId: 'user 7' })).toEqual(['sub']);
  });
});
