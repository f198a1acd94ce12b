import { EXTRA_CLAIM_NAMES, extraClaimFault } from './extra-claims.js';

const IDS = ['gitlab_namespace_id', 'gitlab_root_namespace_id', 'gitlab_project_id'];

describe('the claims that a caller may add', () => {
  it('are four', () => {
    expect([...EXTRA_CLAIM_NAMES].sort()).toEqual([...IDS, 'gitlab_namespace_ids'].sort());
  });

  it.each(IDS)('take an id as %s, a text or a whole number', (name) => {
    for (const id of ['7', 'gid://gitlab/Group/9', 1, Number.MAX_SAFE_INTEGER]) {
      expect(extraClaimFault(name, id)).toBeNull();
    }
    for (const other of [
      null,
      '',
      ' ',
      'a b',
      '\n',
      'x'.repeat(65),
      0,
      -1,
      1.5,
      2 ** 53,
      true,
      ['7'],
      {},
    ]) {
      expect(extraClaimFault(name, other)).toMatch(/must be an id/);
    }
  });

  it('take a list of ids where the claim is one', () => {
    const fault = (value: unknown) => extraClaimFault('gitlab_namespace_ids', value);
    expect(fault(['7', 8])).toBeNull();
    expect(fault(Array.from({ length: 100 }, (_, n) => n + 1))).toBeNull();
    for (const other of ['7', 7, [], [null], [['7']], Array.from({ length: 101 }, () => 1)]) {
      expect(fault(other)).toMatch(/must be a list/);
    }
  });

  it.each([
    'sub',
    'scopes',
    'exp',
    'gitlab_realm',
    'status',
    'cnf',
    'scope',
    'anything',
    'toString',
  ])('are not %s', (name) => {
    expect(extraClaimFault(name, '7')).toMatch(/may not be added/);
  });
});
