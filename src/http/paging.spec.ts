import { nextLink, type PageQuery, pageOf, rowsToFetch } from './paging.js';

function rows(count: number): { id: string }[] {
  return Array.from({ length: count }, (_, index) => ({ id: `id-${index + 1}` }));
}

describe('a page', () => {
  it.each([
    [{}, 21],
    [{ per_page: '1' }, 2],
    [{ per_page: '100' }, 101],
  ])('asks for one row more than it shows: %j for %d', (query, count) => {
    expect(rowsToFetch(query)).toBe(count);
  });

  it.each([
    ['is empty', 0, 0, null],
    ['is not full', 1, 1, null],
    ['is full, and the last', 2, 2, null],
    ['is followed by another', 3, 2, 'id-2'],
  ])('of two %s: of %d rows it shows %d, and goes on after %s', (_how, found, shown, cursor) => {
    const page = pageOf(rows(found), { per_page: '2' });
    expect(page.items).toEqual(rows(shown));
    expect(page.nextCursor).toBe(cursor);
  });

  it.each([0, 1, 5, 6, 7, 20])('and the next ones show each of %d rows once', (count) => {
    const all = rows(count);
    const query: PageQuery = { per_page: '3' };
    const shown: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const from = all.findIndex(({ id }) => id === cursor) + 1;
      const page = pageOf(all.slice(from, from + rowsToFetch(query)), query);
      shown.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(shown).toEqual(all.map(({ id }) => id));
  });
});

describe('nextLink', () => {
  const url = 'https://issuer.test/api/v1/licenses';

  it('leads to the next page with everything else that was asked for', () => {
    const query = { plan: 'ultimate', customer_ref: 'a&b=c>d é', per_page: '5', kind: undefined };
    const [target = '', rel] = nextLink(url, query, 'id-5').slice(1).split('>; ');
    expect(rel).toBe('rel="next"');
    const link = new URL(target);
    expect(`${link.origin}${link.pathname}`).toBe(url);
    expect(Object.fromEntries(link.searchParams)).toEqual({
      plan: 'ultimate',
      customer_ref: 'a&b=c>d é',
      per_page: '5',
      cursor: 'id-5',
    });
  });

  it('replaces the cursor that led to this page', () => {
    expect(nextLink(url, { cursor: 'id-1' }, 'id-5')).toBe(`<${url}?cursor=id-5>; rel="next"`);
  });
});
