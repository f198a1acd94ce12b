import type { Catalog } from './catalog.js';
import { tooLargeForATokenWarning } from './largest-token.js';

const ROOM = 5632 - 700;

/** A catalog whose one scope makes `bytes` of JSON together with one audience. */
function catalogOf(bytes: number): Catalog {
  const brackets = '["a"]'.length + '[""]'.length;
  const name = 'x'.repeat(bytes - brackets);
  const primitive = { name, backendServices: [{}] };
  return { unitPrimitives: [primitive], backendServices: [{ jwtAud: 'a' }] } as unknown as Catalog;
}

describe('a catalog', () => {
  it('fits into a token up to what a header takes, and warns beyond', () => {
    expect(tooLargeForATokenWarning(catalogOf(ROOM))).toBeNull();
    expect(tooLargeForATokenWarning(catalogOf(ROOM + 1))).toContain(`${ROOM + 1} bytes`);
  });

  it('counts no primitive that nobody can be granted', () => {
    const catalog = catalogOf(ROOM + 1);
    const unitPrimitives = catalog.unitPrimitives.map((one) => ({ ...one, backendServices: [] }));
    expect(tooLargeForATokenWarning({ ...catalog, unitPrimitives })).toBeNull();
  });
});
