import { pageOf, rowsToFetch } from '../database/page.js';
import { nextLink, pageRequest } from './paging.js';

function rows(count: number): { id: string }[] {
  return Array.from({ length: count }, (_, index) => ({ id: `id-${index + 1}` }));
}

describe('a page', () => {
  it.each([
    [{}, 21],
    [{ per_page: '1' }, 2],
    [{ per_page: '100' }, 101],
  ])('asks for one row more than it shows: %j for %d', (query, count) => {
    expect(rowsToFetch(pageRequest(query))).toBe(count);
  });

  it.each([
    ['is empty', 0, 0, null],
    ['is not full', 1, 1, null],
    ['is full, and the last', 2, 2, null],
    ['is followed by another', 3, 2, 'id-2'],
  ])('of two %s: of %d rows it shows %d, and goes on after %s', (_how, found, shown, cursor) => {
    const page = pageOf(rows(found), { after: null, perPage: 2 });
    expect(page.items).toEqual(rows(shown));
    expect(page.nextCursor).toBe(cursor);
  });

  it.each([0, 1, 5, 6, 7, 20])('and the next ones show each of %d rows once', (count) => {
    const all = rows(count);
    const request = { after: null, perPage: 3 };
    const shown: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const from = all.findIndex(({ id }) => id === cursor) + 1;
      const page = pageOf(all.slice(from, from + rowsToFetch(request)), request);
      shown.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(shown).toEqual(all.map(({ id }) => id));
  });
});

describe('nextLink', () => {
  const issuer = 'https://issuer.test';
  const path = '/api/v1/licenses';

  it('leads to the next page with everything else that was asked for', () => {
    const query = 'plan=ultimate&customer_ref=a%26b%3Dc%3Ed%20%C3%A9&per_page=5';
    const [target = '', rel] = (nextLink(issuer, `${path}?${query}`, 'id-5') ?? '')
      .slice(1)
      .split('>; ');
    expect(rel).toBe('rel="next"');
    const link = new URL(target);
    expect(`${link.origin}${link.pathname}`).toBe(`${issuer}${path}`);
    expect(Object.fromEntries(link.searchParams)).toEqual({
      plan: 'ultimate',
      customer_ref: 'a&b=c>d é',
      per_page: '5',
      cursor: 'id-5',
    });
  });

  it('replaces the cursor that led to this page', () => {
    const link = nextLink(issuer, `${path}?cursor=id-1`, 'id-5');
    expect(link).toBe(`<${issuer}${path}?cursor=id-5>; rel="next"`);
  });

  it.each(['https://evil.test', '//evil.test'])(
    'stays with the issuer when %s is asked',
    (other) => {
      const link = nextLink(issuer, `${other}${path}`, 'id-5');
      expect(link).toBe(`<${issuer}${path}?cursor=id-5>; rel="next"`);
    },
  );

  it('is left out for a target that names an unreadable host', () => {
    expect(nextLink(issuer, `http://[zz${path}`, 'id-5')).toBeNull();
  });
});
