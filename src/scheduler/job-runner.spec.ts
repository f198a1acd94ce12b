import { databaseAway } from '../database/away.js';
import { createLogger } from '../platform/logging.js';
import { JobRunner } from './job-runner.js';

describe('a job', () => {
  const lines: string[] = [];
  const runner = new JobRunner(createLogger('info', { write: (line) => lines.push(line) }));
  const sweep = (run: () => Promise<unknown>) => runner.run({ name: 'sweep', run });
  beforeEach(() => {
    lines.length = 0;
  });

  it('logs a failure with its name, and goes on', async () => {
    await sweep(() => Promise.reject(new Error('no broom')));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', job: 'sweep' });
    expect(lines[0]).toContain('no broom');
  });

  it('logs nothing when it succeeds, or while the database is away', async () => {
    await sweep(() => Promise.resolve());
    await sweep(() => Promise.reject(databaseAway()));
    await sweep(() => Promise.reject(Object.assign(new Error(), { code: 'ECONNREFUSED' })));
    expect(lines).toEqual([]);
  });
});
