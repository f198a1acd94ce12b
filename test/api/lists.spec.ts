import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

interface PageJson {
  readonly items: readonly { readonly id: string }[];
  readonly next_cursor: string | null;
}

describe('a list', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let licenseIds: string[];
  let purchaseIds: string[];

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    licenseIds = [];
    for (let n = 0; n < 25; n += 1) {
      clock.advance(1);
      const about = {
        plan: n % 5 === 0 ? 'premium' : 'ultimate',
        kind: n % 4 === 0 ? 'offline_cloud' : 'online_cloud',
        customer_ref: n < 3 ? 'C & Co' : `C-${n}`,
      };
      licenseIds.push((await registerLicense(issuer, about)).id);
    }
    await issuer.admin('POST', `licenses/${licenseIds[7] ?? ''}/revoke`);
    purchaseIds = [];
    const days = [
      ['2020-01-01', '2021-01-01'],
      ['2026-01-01', '2026-03-10'],
      ['2026-03-10', '2026-03-11'],
      ['2026-03-11', '2027-01-01'],
      ['2028-01-01', '2029-01-01'],
    ] as const;
    for (const [started_at, expires_on] of days) {
      clock.advance(1);
      const { id } = await recordPurchase(issuer, licenseIds[0] ?? '', { started_at, expires_on });
      purchaseIds.push(id);
    }
    await issuer.admin('DELETE', `add_on_purchases/${purchaseIds[4] ?? ''}`);
  });
  afterAll(() => issuer.stop());

  async function page(path: string): Promise<PageJson & { readonly link: string | null }> {
    const response = await issuer.admin('GET', path);
    expect(response.status).toBe(200);
    return { ...((await response.json()) as PageJson), link: response.headers.get('link') };
  }

  /** Follows `Link` from page to page, as a client that knows nothing of cursors. */
  async function walk(path: string): Promise<string[][]> {
    const pages: string[][] = [];
    let url: string | undefined = `${issuer.url}/api/v1/${path}`;
    while (url !== undefined) {
      const authorization = `Bearer ${issuer.adminToken}`;
      const response: Response = await fetch(url, { headers: { authorization } });
      const { items, next_cursor } = (await response.json()) as PageJson;
      pages.push(items.map(({ id }) => id));
      const next = /^<(http[^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '');
      expect(next === null).toBe(next_cursor === null);
      url = next?.[1];
    }
    return pages;
  }

  it('has twenty items a page, oldest first, and says how it goes on', async () => {
    const first = await page('licenses');
    expect(first.items.map(({ id }) => id)).toEqual(licenseIds.slice(0, 20));
    expect(first.next_cursor).toBe(licenseIds[19]);
    const url = `${issuer.url}/api/v1/licenses?cursor=${licenseIds[19] ?? ''}`;
    expect(first.link).toBe(`<${url}>; rel="next"`);
    const last = await page(`licenses?cursor=${first.next_cursor ?? ''}`);
    expect(last).toMatchObject({ next_cursor: null, link: null });
    expect(last.items.map(({ id }) => id)).toEqual(licenseIds.slice(20));
  });

  it.each([
    [1, 25],
    [7, 4],
    [24, 2],
    [25, 1],
    [100, 1],
  ])('of %i a page is walked in %i pages, each item once and in order', async (perPage, pages) => {
    const walked = await walk(`licenses?per_page=${perPage}`);
    expect(walked).toHaveLength(pages);
    expect(walked.flat()).toEqual(licenseIds);
  });

  it('keeps its order and skips nothing when items are added and changed on the way', async () => {
    const first = await page('licenses?per_page=10&customer_ref=C%20%26%20Co');
    expect(first.items).toHaveLength(3);
    const half = await page('licenses?per_page=12');
    await issuer.admin('PATCH', `licenses/${licenseIds[15] ?? ''}`, { seats: 1 });
    const { items } = await page(`licenses?per_page=100&cursor=${half.next_cursor ?? ''}`);
    expect([...half.items, ...items].map(({ id }) => id)).toEqual(licenseIds);
  });

  it.each([
    ['plan=premium', (n: number) => n % 5 === 0],
    ['kind=offline_cloud', (n: number) => n % 4 === 0],
    ['kind=legacy', () => false],
    ['customer_ref=C%20%26%20Co', (n: number) => n < 3],
    ['revoked=true', (n: number) => n === 7],
    ['revoked=false', (n: number) => n !== 7],
    ['plan=premium&kind=offline_cloud', (n: number) => n % 20 === 0],
    ['plan=nothing%20of%20the%20kind', () => false],
  ])('of licenses is filtered by %s, from page to page', async (filter, holds) => {
    const walked = await walk(`licenses?per_page=2&${filter}`);
    expect(walked.flat()).toEqual(licenseIds.filter((_id, n) => holds(n)));
  });

  it.each([
    ['', [0, 1, 2, 3, 4]],
    ['phase=expired', [0, 1]],
    ['phase=active', [2]],
    ['phase=not_started', [3]],
    ['phase=void', [4]],
    ['add_on=duo_enterprise', [0, 1, 2, 3, 4]],
    ['add_on=duo_pro', []],
    ['add_on=duo_enterprise&phase=active', [2]],
  ])('of purchases is filtered by "%s" as of today', async (filter, expected) => {
    const walked = await walk(
      `licenses/${licenseIds[0] ?? ''}/add_on_purchases?per_page=2&${filter}`,
    );
    expect(walked.flat()).toEqual(expected.map((n) => purchaseIds[n]));
  });

  it('of purchases is of one license', async () => {
    expect(await walk(`licenses/${licenseIds[1] ?? ''}/add_on_purchases`)).toEqual([[]]);
  });

  it.each([
    ['per_page=0', 'per_page'],
    ['per_page=101', 'per_page'],
    ['per_page=-1', 'per_page'],
    ['per_page=1e1', 'per_page'],
    ['per_page=', 'per_page'],
    ['per_page=10&per_page=20', 'per_page'],
    ['cursor=abc', 'cursor'],
    ['cursor=', 'cursor'],
    ['page=2', 'page'],
    ['constructor=1', 'constructor'],
  ])('with ?%s is refused by the name of the parameter', async (query, parameter) => {
    const paths = ['licenses', 'instances', `licenses/${licenseIds[0] ?? ''}/add_on_purchases`];
    for (const path of paths) {
      const response = await issuer.admin('GET', `${path}?${query}`);
      await expectProblem(response, 422, 'VALIDATION_FAILED', [parameter]);
    }
  });

  it.each([
    ['licenses?kind=cloud', 'kind'],
    ['licenses?revoked=yes', 'revoked'],
    ['licenses?plan=', 'plan'],
    ['licenses?plan=a&plan=b', 'plan'],
    ['licenses?customer_ref=%00', 'customer_ref'],
    ['instances?license_id=7', 'license_id'],
  ])('%s is refused by the name of the filter', async (path, parameter) => {
    const response = await issuer.admin('GET', path);
    await expectProblem(response, 422, 'VALIDATION_FAILED', [parameter]);
  });

  it('of purchases with an unknown phase is refused by the name of the filter', async () => {
    const path = `licenses/${licenseIds[0] ?? ''}/add_on_purchases?phase=over`;
    await expectProblem(await issuer.admin('GET', path), 422, 'VALIDATION_FAILED', ['phase']);
  });
});
