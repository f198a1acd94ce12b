import { IssuerError } from '../platform/issuer-error.js';
import { type SyncHeaders, syncOf } from './sync-request.js';

const AT = new Date('2026-06-15T12:00:00Z');
const INSTANCE_ID = 'E2F5D0A4-1B7C-4C3E-9A60-0a1b2c3d4e5f';

function sync(headers: SyncHeaders = {}, gitlabVersion = '18.5.0-ee') {
  return syncOf({ licenseKey: ' a key\n', gitlabVersion }, headers, AT);
}

function refusalOf(gitlabVersion: string): IssuerError {
  try {
    sync({ 'x-gitlab-version': '18.5.0' }, gitlabVersion);
  } catch (error) {
    if (error instanceof IssuerError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('a sync', () => {
  it('of an older instance, which sends no headers of its own, names no instance', () => {
    expect(sync({ 'user-agent': 'GitLab/16.8.0-ee' })).toEqual({
      licenseKey: ' a key\n',
      gitlabVersion: { text: '18.5.0-ee', parts: [18, 5, 0] },
      instanceId: null,
      instanceIdInvalid: false,
      hostName: null,
      at: AT,
    });
  });

  it('of a newer one says which instance it is', () => {
    const headers = {
      'x-gitlab-host-name': 'gitlab.example.com',
      'x-gitlab-instance-id': INSTANCE_ID,
      'x-gitlab-realm': 'self-managed',
      'x-gitlab-version': '17.0.0',
    };
    expect(sync(headers)).toMatchObject({
      gitlabVersion: { text: '18.5.0-ee' },
      instanceId: INSTANCE_ID,
      hostName: 'gitlab.example.com',
    });
  });
});

describe('the instance id of a sync', () => {
  it('is kept byte for byte: validators compare it with what the instance sends', () => {
    for (const id of [INSTANCE_ID, INSTANCE_ID.toLowerCase(), INSTANCE_ID.toUpperCase()]) {
      expect(sync({ 'x-gitlab-instance-id': id }).instanceId).toBe(id);
    }
  });

  it.each(['uuid-not-set', 'not set', ' ', `${INSTANCE_ID} `, `{${INSTANCE_ID}}`, 'null'])(
    'is invalid, not absent, as %j',
    (header) => {
      const { instanceId, instanceIdInvalid } = sync({ 'x-gitlab-instance-id': header });
      expect([instanceId, instanceIdInvalid]).toEqual([null, true]);
    },
  );

  it('is invalid when it is given twice, and absent when it is empty', () => {
    const twice = sync({ 'x-gitlab-instance-id': [INSTANCE_ID, INSTANCE_ID] });
    expect([twice.instanceId, twice.instanceIdInvalid]).toEqual([null, true]);
    const empty = sync({ 'x-gitlab-instance-id': '' });
    expect([empty.instanceId, empty.instanceIdInvalid]).toEqual([null, false]);
  });
});

describe('the version of a sync', () => {
  it('has a text that is safe to store in the ledger', () => {
    const { gitlabVersion } = sync({}, "18.5'; DROP TABLE issued_tokens");
    expect(gitlabVersion).toEqual({ text: '18.5', parts: [18, 5, 0] });
  });

  it.each(['', 'latest', 'v18.5', '18', ' 18.5.0', '18,5'])('cannot be %j', (text) => {
    expect(refusalOf(text).code).toBe('GITLAB_VERSION_INVALID');
  });

  it('is not echoed when it is refused', () => {
    const key = 'a-license-key-in-the-wrong-place';
    expect(refusalOf(key).message).not.toContain(key);
  });
});

describe('the host name of a sync', () => {
  it.each([
    'gitlab.example.com',
    'gitlab.example.com:8443',
    'git_lab-1',
    '192.0.2.1',
    '[2001:db8::1]:8443',
    'x'.repeat(253),
  ])('is kept as %s', (name) => {
    expect(sync({ 'x-gitlab-host-name': name }).hostName).toBe(name);
  });

  it.each([
    '',
    'x'.repeat(254),
    'gitlab example',
    'https://gitlab.example.com',
    'gitlab.example.com\n',
    '<script>',
    'gitläb.example.com',
  ])('is left out, but denies nothing, as %j', (name) => {
    expect(sync({ 'x-gitlab-host-name': name }).hostName).toBeNull();
  });

  it('is left out when it is given twice', () => {
    expect(sync({ 'x-gitlab-host-name': ['one.test', 'two.test'] }).hostName).toBeNull();
  });
});
