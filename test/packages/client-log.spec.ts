import { UnsecuredJWT } from 'jose';
import {
  createInstanceClient,
  type InstanceClientOptions,
  type LogEvent,
  memoryStore,
} from '../../packages/cloud-connector-instance/src/index.js';
import { json, type ScriptedServer, startScriptedServer } from './scripted-server.js';

const INSTANCE = 'e2f5d0a4-1b7c-4c3e-9a60-0a1b2c3d4e5f';

describe('the log of an instance client', () => {
  let server: ScriptedServer;
  const log: LogEvent[] = [];
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.stop());

  function newClient(about: Partial<InstanceClientOptions> = {}) {
    return createInstanceClient({
      ...{ url: server.url, instanceId: INSTANCE, hostname: 'gitlab.example.com' },
      ...{ gitlabVersion: '18.5.0-ee', licenseKey: 'line one\nline two', store: memoryStore() },
      log: (event) => log.push(event),
      ...about,
    });
  }

  it('tells what the issuer says without the key that it may echo, and in one line', async () => {
    const message = '\u001b[2Jno license has the key line one\nline two\nerror forged';
    server.script({ errors: [{ message, extensions: { code: 'LICENSE_NOT_FOUND' } }] });
    const told = '[2Jno license has the key [removed] error forged';
    expect(await newClient().sync()).toMatchObject({ outcome: 'denied', message: told });
    expect(log.map((event) => event.message)).toEqual([`LICENSE_NOT_FOUND: ${told}`]);
  });

  it('has errors that tell it likewise', async () => {
    server.script(json(422, { errors: ['line one\nline two'], error_attribute_map: {} }));
    const usage = { maxHistoricalUserCount: 1, billableUsersCount: 1 };
    await expect(newClient().sendSeatLink(usage)).rejects.toMatchObject({ details: ['[removed]'] });

    const errors = ['\u0007no code is CODEcodeCODEcode'];
    server.script({ data: { cloudActivationActivate: { licenseKey: null, errors } } });
    const activation = newClient().activate({ activationCode: 'CODEcodeCODEcode' });
    await expect(activation).rejects.toMatchObject({ details: ['no code is [removed]'] });
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the disk is full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the disk is full'))],
  ])('may fail: a sync goes on when it %s', async (_how, failing) => {
    const exp = Math.floor(Date.now() / 1000) + 86_400;
    const token = new UnsecuredJWT({ sub: INSTANCE, iat: exp - 86_400, exp }).encode();
    server.script({ data: { cloudConnectorAccess: { serviceToken: { token, expiresAt: '' } } } });
    expect(await newClient({ log: failing }).sync()).toMatchObject({ outcome: 'stored' });
  });
});
