import { EXTRA_CLAIM_NAMES, extraClaimFault } from './extra-claims.js';

const IDS = ['gitlab_namespace_id', 'gitlab_root_namespace_id', 'gitlab_project_id'];

describe('the claims that a caller may add', () => {
  it('are six', () => {
    const others = ['gitlab_namespace_ids', 'skip_usage_cutoff', 'tool_access_policies'];
    expect([...EXTRA_CLAIM_NAMES].sort()).toEqual([...IDS, ...others].sort());
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

  it('take true or false for skip_usage_cutoff', () => {
    const fault = (value: unknown) => extraClaimFault('skip_usage_cutoff', value);
    expect([fault(true), fault(false)]).toEqual([null, null]);
    for (const other of ['true', 1, null, []]) expect(fault(other)).toMatch(/true or false/);
  });

  it('take JSON as a text of at most 4096 bytes for tool_access_policies', () => {
    const fault = (value: unknown) => extraClaimFault('tool_access_policies', value);
    const text = (bytes: number, letter = 'x') => JSON.stringify(letter.repeat(bytes - 2));
    for (const good of ['{"a":["b"]}', ' [] ', '"ä"', 'null', text(4096)]) {
      expect(fault(good)).toBeNull();
    }
    const half = JSON.parse('"\\ud800"') as string;
    for (const bad of [
      '',
      '{',
      "{'a': 1}",
      text(4097),
      text(4000, 'ä'),
      `"${half}"`,
      {},
      [],
      7,
      null,
    ]) {
      expect(fault(bad)).toMatch(/text of JSON/);
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
