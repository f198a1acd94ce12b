import { createInstanceClient } from './instance-client.js';
import { memoryStore } from './token-store.js';

const GOOD = {
  url: 'http://127.0.0.1:1',
  instanceId: '5d6a9f0e-8c1b-4f6e-9d2a-3b7c8e1f0a42',
  hostname: 'gitlab.example.com',
  gitlabVersion: '18.5.0-ee',
  licenseKey: 'a-key-that-no-message-repeats',
  store: memoryStore(),
};
const created = (about: object) => createInstanceClient({ ...GOOD, ...about });
const usage = { maxHistoricalUserCount: 1, billableUsersCount: 1 };
const metric = { addOnType: 'duo_pro', purchasedSeats: 1, assignedSeats: 1 };

describe('what cannot be meant', () => {
  it.each([
    [{ url: undefined }, 'url must be a text that is not empty'],
    [{ url: 5 }, 'url must be a text that is not empty'],
    [{ instanceId: 'one' }, 'instanceId must be a UUID'],
    [{ gitlabVersion: 'latest' }, 'gitlabVersion must start with numbers like 18.5.0'],
    [{ licenseKey: 5 }, 'licenseKey must be a text'],
    [{ store: {} }, 'store must be an object with read() and update()'],
    [{ store: undefined }, 'store must be an object with read() and update()'],
    [{ timeoutMs: '30' }, 'timeoutMs must be a number of milliseconds above 0'],
    [{ timeoutMs: 0 }, 'timeoutMs must be a number of milliseconds above 0'],
    [{ purchases: [] }, 'purchases must be a function'],
    [{ clock: () => new Date() }, 'clock must be an object with now()'],
    [{ licencekey: 'x' }, 'licencekey is none of the options of a client: url, instanceId, '],
  ])('is no option of a client: %j', (about, message) => {
    expect(() => created(about)).toThrow(message);
    const invalid: unknown = expect.objectContaining({ code: 'OPTION_INVALID' });
    expect(() => created(about)).toThrow(invalid as Error);
  });

  it.each([
    ['activate', undefined, 'an activation must be an object'],
    ['activate', {}, 'activationCode must be a text that is not empty'],
    ['activate', { activationCode: 'x', automated: 'no' }, 'automated must be true or false'],
    ['sendSeatLink', {}, 'maxHistoricalUserCount must be a whole number, 0 or more'],
    ['sendSeatLink', { ...usage, billableUsersCount: -1 }, 'billableUsersCount must be a whole'],
    ['sendSeatLink', { ...usage, addOnMetrics: metric }, 'addOnMetrics must be a list'],
    ['sendSeatLink', { ...usage, addOnMetrics: [{ ...metric, seats: 1 }] }, 'seats is none of'],
    ['headers', { userID: 7 }, 'userID is none of a request to a backend'],
    ['headers', { userId: {} }, 'userId must be a text or a whole number'],
    ['headers', { namespaceIds: 7 }, 'namespaceIds must be a list'],
    ['allowedToUse', '7', 'a user must be an object'],
    ['allowedToUse', { id: 7, addOnSeats: 'duo_pro' }, 'addOnSeats must be a list'],
    ['allowedToUse', { id: 7, name: 'Ada' }, 'unitPrimitive must be a text'],
  ] as const)('is refused before anything is sent: %s(%j)', async (method, input, message) => {
    const call = Reflect.get(created({}), method) as (one: unknown) => Promise<unknown>;
    await expect(call.call(created({}), input)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(message) as string,
    });
  });
});
