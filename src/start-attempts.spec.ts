import { readAppConfig } from '../config/app-config.js';
import { createLogger } from './platform/logging.js';
import { serviceConfig } from './platform/service-config.js';
import { StartRefusedError } from './platform/start-refused.js';
import { StartAttempts } from './start-attempts.js';

const ENVIRONMENT = {
  DATABASE_URL: 'postgres://nobody@127.0.0.1/none',
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 'k').toString('base64'),
};
const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const FORBIDDEN = Object.assign(new Error('permission denied'), { code: '42501' });

describe('repeated attempts to bring the service up', () => {
  const reported: (string | null)[] = [];
  beforeEach(() => reported.splice(0));

  /** @param outcomes of the attempts in order; null is a success */
  function attempts(outcomes: (Error | null)[], isListening: () => boolean): StartAttempts {
    const attempt = () => {
      const outcome = outcomes.shift() ?? null;
      return outcome === null ? Promise.resolve() : Promise.reject(outcome);
    };
    return new StartAttempts(attempt, {
      config: serviceConfig(readAppConfig(ENVIRONMENT)),
      isListening,
      logger: createLogger('fatal'),
      signal: new AbortController().signal,
      report: (obstacle) => reported.push(obstacle),
    });
  }

  it('end with the remedy when nothing is published, and report it last', async () => {
    const { broughtUp } = await attempts([AWAY, FORBIDDEN], () => false).begin();
    const remedy = /the user of DATABASE_URL lacks a privilege \(permission denied\)/;
    await expect(broughtUp).rejects.toThrow(remedy);
    expect(reported.at(-1)).toMatch(remedy);
  });

  it('go on after any obstacle once the service listens', async () => {
    let isListening = false;
    const refused = new StartRefusedError('a wrong setting');
    const starting = attempts([AWAY, refused, null], () => isListening);
    const { broughtUp } = await starting.begin();
    isListening = true;
    await expect(broughtUp).resolves.toBeUndefined();
    expect(reported.slice(1)).toEqual(['a wrong setting', null]);
  });
});
