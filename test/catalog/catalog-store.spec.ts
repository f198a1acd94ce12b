import { CatalogStore } from '../../src/catalog/catalog.service.js';
import { loadCatalog } from '../../src/catalog/load-catalog.js';
import { shippedCatalogDirectory } from '../../src/catalog/shipped-catalog.js';

const loaded = loadCatalog(shippedCatalogDirectory());
const store = new CatalogStore(loaded);

describe('CatalogStore', () => {
  it('holds the catalog in force', () => {
    expect(store.current()).toBe(loaded);
  });

  it('renders the answer for instances once, as an object and as the same JSON', () => {
    expect(store.document()).toBe(store.document());
    expect(JSON.parse(store.documentJson())).toEqual(store.document());
    expect(store.document().unit_primitives).toHaveLength(loaded.catalog.unitPrimitives.length);
    expect(Object.keys(store.document())).toEqual([
      'backend_services',
      'unit_primitives',
      'add_ons',
      'license_types',
    ]);
  });

  it('knows the services of either realm', () => {
    expect(store.availableServices('self-managed')).toBe(store.availableServices('self-managed'));
    const namesIn = (realm: 'self-managed' | 'gitlab-com') =>
      store.availableServices(realm).map(({ name }) => name);
    expect(namesIn('gitlab-com')).toContain('sast');
    expect(namesIn('self-managed')).not.toContain('sast');
  });
});
