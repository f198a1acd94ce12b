import { readAppConfig } from '../config/app-config.js';
import { BringingUp } from './bringing-up.js';
import { createLogger } from './platform/logging.js';
import { serviceConfig } from './platform/service-config.js';
import { StartRefusedError } from './refusals-of-a-start.js';

const ENVIRONMENT = {
  DATABASE_URL: 'postgres://nobody@127.0.0.1/none',
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 'k').toString('base64'),
};
const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const FORBIDDEN = Object.assign(new Error('permission denied'), { code: '42501' });

describe('bringing the database up in further attempts', () => {
  const told: (string | null)[] = [];
  beforeEach(() => told.splice(0));

  /** @param outcomes of the attempts, one after the other; null is one that works */
  function bringing(outcomes: (Error | null)[], isListening: () => boolean): BringingUp {
    const attempt = () => {
      const outcome = outcomes.shift() ?? null;
      return outcome === null ? Promise.resolve() : Promise.reject(outcome);
    };
    return new BringingUp(attempt, {
      config: serviceConfig(readAppConfig(ENVIRONMENT)),
      isListening,
      logger: createLogger('fatal'),
      signal: new AbortController().signal,
      tell: (obstacle) => told.push(obstacle),
    });
  }

  it('ends with the remedy when nothing is published, and tells that one last', async () => {
    const { broughtUp } = await bringing([AWAY, FORBIDDEN], () => false).begin();
    const remedy = /the user of DATABASE_URL may not do what is needed \(permission denied\)/;
    await expect(broughtUp).rejects.toThrow(remedy);
    expect(told.at(-1)).toMatch(remedy);
  });

  it('goes on, whatever is in the way, once the service listens', async () => {
    let isListening = false;
    const refused = new StartRefusedError('a wrong setting');
    const bringingUp = bringing([AWAY, refused, null], () => isListening);
    const { broughtUp } = await bringingUp.begin();
    isListening = true;
    await expect(broughtUp).resolves.toBeUndefined();
    expect(told.slice(1)).toEqual(['a wrong setting', null]);
  });
});
