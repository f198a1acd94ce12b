import { databaseAway } from '../database/away.js';
import { createLogger } from '../platform/logging.js';
import { JobRunner } from './job-runner.js';

describe('a job', () => {
  const lines: string[] = [];
  const runner = new JobRunner(createLogger('info', { write: (line) => lines.push(line) }));
  beforeEach(() => {
    lines.length = 0;
  });

  it('that fails is told of by its name and ends nothing', async () => {
    await runner.run('sweep', () => Promise.reject(new Error('no broom')));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', job: 'sweep' });
    expect(lines[0]).toContain('no broom');
  });

  it('says nothing when it succeeds, nor while the database is away', async () => {
    await runner.run('sweep', () => Promise.resolve());
    await runner.run('sweep', () => Promise.reject(databaseAway()));
    await runner.run('sweep', () =>
      Promise.reject(Object.assign(new Error(), { code: 'ECONNREFUSED' })),
    );
    expect(lines).toEqual([]);
  });
});
