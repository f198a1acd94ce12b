import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type AvailableServiceJson,
  GENERATIONS,
  GitlabInstance,
} from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const CATALOG = join(__dirname, '../../config/catalog');
const LISTS = ['backend_services', 'unit_primitives', 'add_ons', 'license_types'] as const;
type Item = Readonly<Record<string, unknown>>;
type CatalogJson = Readonly<Record<(typeof LISTS)[number], readonly Item[]>>;

interface UnitPrimitiveFile extends Item {
  readonly name: string;
  readonly cut_off_date: string | null;
  readonly add_ons?: readonly string[];
}

interface ServiceFile extends Item {
  readonly name: string;
  readonly basic_unit_primitive?: string;
  readonly gitlab_realm?: readonly string[];
  readonly unit_primitives: readonly string[];
}

/** The files as they lie there, read past the service. */
function files(kind: string): Item[] {
  const folder = join(CATALOG, kind);
  return readdirSync(folder)
    .sort()
    .map((file) => parse(readFileSync(join(folder, file), 'utf8')) as Item);
}

describe('what a sync tells beside the token', () => {
  let issuer: TestIssuer;
  let client: GitlabInstance;
  let catalog: CatalogJson;
  let services: readonly AvailableServiceJson[];

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock: new FakeClock(new Date('2026-03-10T12:00:00Z')) });
    // Without a purchase and with an old version: what is told is not filtered by either.
    const { licenseKey } = await registerLicense(issuer, { plan: 'premium' });
    client = new GitlabInstance(issuer.url, { licenseKey }, GENERATIONS['GitLab 16.8']);
    const { data } = await client.sync(['catalog', 'availableServices']);
    catalog = data?.catalog as CatalogJson;
    services = data?.availableServices ?? [];
  });
  afterAll(() => issuer.stop());

  describe('the catalog', () => {
    it('is an object, not a text, of the four lists', () => {
      expect(Object.keys(catalog).sort()).toEqual([...LISTS].sort());
      for (const list of LISTS) expect(catalog[list].length).toBeGreaterThan(1);
    });

    it.each(LISTS)('has in %s what the shipped files say, without what they leave open', (list) => {
      const shipped = files(list).map((item) =>
        Object.fromEntries(
          Object.entries(item)
            .filter(([, value]) => value !== null)
            .map(([key, value]) =>
              key === 'cut_off_date'
                ? [key, String(value).replace(/Z$/, '.000+00:00')]
                : [key, value],
            ),
        ),
      );
      const told = catalog[list].map((item) =>
        // An empty list and none are the same to an instance.
        Object.fromEntries(
          Object.entries(item).filter(([, value]) => !Array.isArray(value) || value.length > 0),
        ),
      );
      const asked = shipped.map((item) =>
        Object.fromEntries(
          Object.entries(item).filter(([, value]) => !Array.isArray(value) || value.length > 0),
        ),
      );
      expect(sortedLists(told)).toEqual(sortedLists(asked));
    });

    it('has only members that instances know, in snake case, none of them null', () => {
      const known = {
        backend_services: 'name description group jwt_aud project_url',
        unit_primitives:
          'name description group feature_category documentation_url milestone introduced_by_url ' +
          'unit_primitive_issue_url deprecated_by_url deprecation_message cut_off_date ' +
          'min_gitlab_version min_gitlab_version_for_free_access license_types backend_services add_ons',
        add_ons: 'name description',
        license_types: 'name description',
      };
      for (const list of LISTS) {
        for (const [member, value] of catalog[list].flatMap(Object.entries)) {
          expect(known[list].split(' ')).toContain(member);
          expect(value).not.toBeNull();
        }
      }
    });

    it('writes a cut-off as an instant with a numeric offset', () => {
      const dates = catalog.unit_primitives.flatMap(({ cut_off_date }) => cut_off_date ?? []);
      expect(dates).toContain('2024-10-17T00:00:00.000+00:00');
      for (const date of dates) {
        expect(date).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
      }
    });

    it('names in its relations only what it lists', () => {
      const names = (list: (typeof LISTS)[number]) => catalog[list].map(({ name }) => name);
      for (const unitPrimitive of catalog.unit_primitives) {
        for (const relation of ['backend_services', 'add_ons', 'license_types'] as const) {
          const related = (unitPrimitive[relation] ?? []) as string[];
          expect(names(relation)).toEqual(expect.arrayContaining(related));
        }
      }
    });
  });

  describe('the available services', () => {
    const unitPrimitives = files('unit_primitives') as UnitPrimitiveFile[];
    const groups = files('services') as ServiceFile[];

    function unitPrimitive(name: string | undefined): UnitPrimitiveFile {
      const found = unitPrimitives.find((each) => each.name === name);
      if (!found) throw new Error(`no unit primitive ${String(name)}`);
      return found;
    }

    /** The rule of the protocol a second time, on the files. */
    function expected(): AvailableServiceJson[] {
      const own = groups.filter(({ gitlab_realm = ['self-managed'] }) =>
        gitlab_realm.includes('self-managed'),
      );
      const single = unitPrimitives.filter(
        ({ name }) => !groups.some((group) => group.name === name),
      );
      return [
        ...own.map((group) =>
          service(
            group.name,
            unitPrimitive(group.basic_unit_primitive ?? group.unit_primitives[0]).cut_off_date,
            group.unit_primitives.flatMap((name) => unitPrimitive(name).add_ons ?? []),
          ),
        ),
        ...single.map(({ name, cut_off_date, add_ons = [] }) =>
          service(name, cut_off_date, add_ons),
        ),
      ].sort((one, other) => (one.name < other.name ? -1 : 1));
    }

    it('are those of the rule, for every service of the realm and every primitive beside', () => {
      expect(services).toEqual(expected());
    });

    it('are sorted by name, each once', () => {
      const names = services.map(({ name }) => name);
      expect(names).toEqual([...new Set(names)].sort());
    });

    it('leave out what is grouped for another realm only', () => {
      const names = services.map(({ name }) => name);
      expect(names).not.toContain('sast');
      expect(names).not.toContain('self_hosted_models');
      expect(names).toContain('security_scans');
      expect(names).toContain('code_suggestions');
    });

    it('carry the cut-off of the basic primitive and the union of the add-ons', () => {
      expect(services.find(({ name }) => name === 'code_suggestions')).toEqual({
        name: 'code_suggestions',
        serviceStartTime: '2024-02-15T00:00:00.000Z',
        bundledWith: ['duo_core', 'duo_enterprise', 'duo_pro'],
      });
      expect(services.find(({ name }) => name === 'duo_workflow')).toEqual({
        name: 'duo_workflow',
        serviceStartTime: null,
        bundledWith: null,
      });
    });
  });
});

function service(
  name: string,
  cutOffDate: string | null,
  addOns: readonly string[],
): AvailableServiceJson {
  return {
    name,
    serviceStartTime: cutOffDate === null ? null : new Date(cutOffDate).toISOString(),
    bundledWith: addOns.length === 0 ? null : [...new Set(addOns)].sort(),
  };
}

function sortedLists(items: readonly Item[]): Item[] {
  return items.map((item) =>
    Object.fromEntries(
      Object.entries(item).map(([key, value]) => [
        key,
        Array.isArray(value) ? (value as string[]).slice().sort() : value,
      ]),
    ),
  );
}
