import { connectionLimits } from './connection-limits.js';
import { openFilesLimit, softLimitOf } from './open-files.js';

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max processes             95820                95820                processes
Max open files            1024                 524288               files
`;

describe('the limit of open files', () => {
  it('is the soft limit of the process', () => {
    expect(softLimitOf(LIMITS)).toBe(1024);
    expect(softLimitOf(LIMITS.replace(/1024 /, 'unlimited '))).toBe(Infinity);
    expect(softLimitOf('')).toBe(Infinity);
  });

  it('is read from the kernel', () => {
    expect(openFilesLimit()).toBeGreaterThan(3);
  });

  it('leaves a reserve for files that are no connections', () => {
    expect(connectionLimits(10, 1024)).toMatchObject({
      connections: 886,
      connectionsPerAddress: 443,
    });
    expect(connectionLimits(10, Infinity)).toMatchObject({ connections: 8192 });
    expect(connectionLimits(10, 64).connections).toBeGreaterThan(0);
  });
});
