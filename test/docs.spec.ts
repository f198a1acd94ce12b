import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { readAppConfig } from '../config/app-config.js';
import { EnvironmentReader } from '../config/environment-reader.js';
import { HTTP_STATUS_BY_CODE } from '../src/platform/issuer-error.js';
import { DOCS, faultOf, filesOf, linksOf, PAGES, prose, read, ROOT } from './support/pages.js';
import { startTestIssuer, type TestIssuer } from './support/test-issuer.js';

describe('the page of the configuration', () => {
  const rows = new Map(
    [...read('docs/configuration.md').matchAll(/^\| `(\w+)` *\| (.*?) *\| (.*?) *\|$/gm)].map(
      ([, name = '', standard = '', values = '']) => [name, { standard, values }],
    ),
  );
  const spies = {
    text: jest.spyOn(EnvironmentReader.prototype, 'text'),
    integer: jest.spyOn(EnvironmentReader.prototype, 'integer'),
    boolean: jest.spyOn(EnvironmentReader.prototype, 'boolean'),
    oneOf: jest.spyOn(EnvironmentReader.prototype, 'oneOf'),
  };
  const config = readAppConfig({});
  readAppConfig({ PKCS11_MODULE: 'm', PKCS11_TOKEN_LABEL: 'l', PKCS11_PIN: 'p' });
  const names = spies.text.mock.calls.map(([name]) => name);
  const integers = spies.integer.mock.calls;
  const choices = [...spies.boolean.mock.calls, ...spies.oneOf.mock.calls];
  jest.restoreAllMocks();

  it('names each variable that is read, and no other', () => {
    expect([...rows.keys()].sort()).toEqual([...new Set(names)].sort());
  });

  it('has the default and the range of each number', () => {
    for (const [name, standard, min, max] of integers) {
      expect({ name, ...rows.get(name) }).toEqual({
        name,
        standard: `\`${standard}\``,
        values: expect.stringContaining(`${min} to ${max}`) as string,
      });
    }
  });

  it('has every other default', () => {
    const defaults = new Map([
      ...choices.map((call) => [call[0], String(call.at(-1))] as const),
      ['HOST', config.host],
      ['DATA_DIR', config.dataDir],
      ['ISSUER_URL', config.issuerUrl.replace('3000', '<PORT>')],
      ['CATALOG_DIR', 'config/catalog'],
      ['DATABASE_DIRECT_URL', 'DATABASE_URL'],
      ...integers.map(([name, standard]) => [name, String(standard)] as const),
    ]);
    for (const [name, { standard }] of rows) {
      const expected = defaults.get(name);
      if (expected === undefined) expect({ name, standard }).toMatchObject({ standard: WORDS });
      else expect({ name, standard }).toEqual({ name, standard: `\`${expected}\`` });
    }
  });
});
/** What a variable without a default says there. */
const WORDS = expect.stringMatching(/^[a-z]/) as string;

describe('the page of errors', () => {
  it('has a heading and the status of each code, and no other', () => {
    const sections = read('docs/errors.md').matchAll(/^### ([A-Z_]+)\n\nStatus (\d{3})\b/gm);
    const documented = [...sections].map(([, code, status]) => [code, Number(status)]);
    expect(Object.fromEntries(documented)).toEqual(HTTP_STATUS_BY_CODE);
    expect(read('docs/errors.md').match(/^### /gm)).toHaveLength(documented.length);
  });
});

interface OpenapiJson {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationJson>>>>;
}
interface OperationJson {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
}

describe('a running issuer', () => {
  let issuer: TestIssuer;
  let operations: Map<string, readonly string[]>;

  beforeAll(async () => {
    issuer = await startTestIssuer();
    const document = (await (await fetch(`${issuer.url}/api/openapi.json`)).json()) as OpenapiJson;
    operations = operationsOf(document);
  });
  afterAll(() => issuer.stop());

  it('has the endpoints of the page of the admin API, and no other', () => {
    const documented = [...read('docs/admin-api.md').matchAll(/`([A-Z]+ \/[^`?]*)`/g)];
    const there = [...operations.keys(), ...hiddenEndpoints(), ...SWAGGER];
    expect(documented.map(([, operation]) => operation).sort()).toEqual(there.sort());
  });

  it('takes the parameters that the page names beside an endpoint, and no other', () => {
    const items = read('docs/admin-api.md').split(/\n(?=- |\n)/);
    const missing = [...operations].flatMap(([operation, parameters]) => {
      const item = items.find((text) => text.includes(`\`${operation}\``)) ?? '';
      const lacking = parameters.filter((name) => !item.includes(`\`${name}\``));
      return lacking.map((name) => `${operation}: ${name}`);
    });
    expect(missing).toEqual([]);
  });

  it('leads from the type of a problem to the paragraph about its code', async () => {
    const problem = (await (await fetch(`${issuer.url}/nowhere`)).json()) as { type: string };
    const page = await fetch(new URL(problem.type, issuer.url));
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const html = await page.text();
    expect(new URL(problem.type, issuer.url).hash).toBe('#not_found');
    for (const code of Object.keys(HTTP_STATUS_BY_CODE)) {
      expect(html).toContain(`<b id="${code.toLowerCase()}">${code}</b>`);
    }
  });

  it('has the metrics of the page of metrics, and no other', async () => {
    const exposition = await (await fetch(`${issuer.url}/-/metrics`)).text();
    const registered = [...exposition.matchAll(/^# HELP (issuer_\w+)/gm)].map(([, name]) => name);
    const documented = [...read('docs/operate/metrics.md').matchAll(/^\| `(issuer_\w+)/gm)];
    expect(documented.map(([, name]) => name).sort()).toEqual(registered.sort());
  });

  it('keeps the invariants of the page of data by the names that stand there', async () => {
    const names = [...read('docs/develop/data.md').matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const client = new Client({ connectionString: issuer.database.url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      `SELECT name FROM unnest($1::text[]) AS name
       WHERE name LIKE '%\\_%' AND NOT EXISTS (SELECT FROM pg_class WHERE relname = name)
         AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = name)
         AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name)
         AND NOT EXISTS (SELECT FROM pg_attribute WHERE attname = name)
         AND NOT EXISTS (SELECT FROM pg_proc WHERE strpos(prosrc, name) > 0)`,
      [names],
    );
    await client.end();
    expect(rows.map(({ name }) => name)).toEqual(['code_suggestions', 'duo_pro']);
  });
});

const SWAGGER = ['GET /api/docs', 'GET /api/openapi.json'];

/** `METHOD /path/:param` of the OpenAPI document, with the names of its query parameters. */
function operationsOf({ paths }: OpenapiJson): Map<string, readonly string[]> {
  const named = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [] }]) => {
      const query = parameters.filter((parameter) => parameter.in === 'query');
      const own = query.map(({ name }) => name).filter((name) => !PAGING.includes(name));
      return [`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`, own] as const;
    }),
  );
  return new Map(named);
}
const PAGING = ['per_page', 'cursor'];

/** The endpoints that are left out of the OpenAPI document, from the decorators of their controllers. */
function hiddenEndpoints(): string[] {
  const hidden = filesOf('src', '.controller.ts').map(read);
  return hidden
    .filter((text) => text.includes('@ApiExcludeController()'))
    .flatMap((text) => {
      const prefix = /@Controller\('([^']*)'\)/.exec(text)?.[1] ?? '';
      return [...text.matchAll(/^ {2}@(Get|Post)\((?:'([^']*)'|(\w+))?\)/gm)].map(
        ([, method = '', literal, constant]) => {
          const named = new RegExp(`const ${constant} = '([^']*)'`).exec(text)?.[1];
          const path = [prefix, literal ?? named ?? ''].filter(Boolean).join('/');
          return `${method.toUpperCase()} /${path}`;
        },
      );
    });
}

describe('the pages', () => {
  const folders = ['src', 'config', 'migrations', 'test', 'bench', 'lint', 'packages', 'examples'];
  const code = folders.flatMap((folder) => [...filesOf(folder, '.ts'), ...filesOf(folder, '.cjs')]);

  it('have no link that leads nowhere', () => {
    expect(PAGES.flatMap((page) => linksOf(page).flatMap((link) => faultOf(page, link)))).toEqual(
      [],
    );
  });

  it('can all be reached from the index', () => {
    const reached = new Set(['docs/README.md']);
    for (const page of reached) {
      for (const { file } of linksOf(page)) {
        if (file.endsWith('.md') && existsSync(join(ROOT, file))) reached.add(file);
      }
    }
    expect(DOCS.filter((page) => !reached.has(page))).toEqual([]);
  });

  it.each([
    ['README.md', 10_000],
    ['ARCHITECTURE.md', 12_000],
  ])('keep %s within %i bytes', (page, bytes) => {
    expect(statSync(join(ROOT, page)).size).toBeLessThanOrEqual(bytes);
  });

  it('of the documentation have 16,000 bytes at most, and a table of contents when they are long', () => {
    const long = DOCS.filter((page) => statSync(join(ROOT, page)).size > 16_000);
    const unguided = DOCS.filter((page) => {
      const text = read(page);
      return text.split('\n').length > 80 && !text.includes('](#');
    });
    expect({ long, unguided }).toEqual({ long: [], unguided: [] });
  });

  it('end their lines of prose at 120 columns', () => {
    const ours = [...DOCS, 'README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];
    const wide = ours.flatMap((page) =>
      prose(read(page))
        .split('\n')
        .filter((line) => line.length > 120 && !line.startsWith('|'))
        .map((line) => `${page}: ${line.slice(0, 60)}`),
    );
    expect(wide).toEqual([]);
  });

  it('name files of the service that are there', () => {
    const developers = ['ARCHITECTURE.md', 'CONTRIBUTING.md', ...DOCS];
    const gone = developers.flatMap((page) =>
      [...prose(read(page)).matchAll(/`((?:[\w.-]+\/)*[\w.-]+\.(?:m?ts|cjs))`/g)]
        .map(([, file = '']) => file)
        .filter((file) => !code.some((known) => `/${known}`.endsWith(`/${file}`)))
        .map((file) => `${page}: ${file}`),
    );
    expect(gone).toEqual([]);
  });

  it('use the names of members, columns and functions that are in the code', () => {
    const texts = code.filter((file) => !file.startsWith('test/')).map(read);
    const known = new Set([...texts, ...filesOf('config', '.yml')].join('\n').match(/\w+/g));
    const unknown = DOCS.flatMap((page) =>
      [...prose(read(page)).matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, name = '']) => name),
    ).filter((name) => !known.has(name) && !FOREIGN_NAMES.test(name));
    expect(unknown).toEqual([]);
  });

  it('are there where the code names one', () => {
    const named = code.flatMap((file) =>
      [...read(file).matchAll(/\bdocs\/[\w/-]+\.md/g)].map(([page]) => `${file}: ${page}`),
    );
    expect(named.filter((line) => !existsSync(join(ROOT, line.split(': ')[1] ?? '')))).toEqual([]);
  });
});

/** Of other programs, or put together by a migration. */
const FOREIGN_NAMES = /^(pg_dump|max_fails|\w+_endpoint|\w+_supported|\w+_keep)$/;
