import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import {
  CORPUS,
  corpusFiles,
  FAULTS,
} from '../../packages/cloud-connector-mock-issuer/src/index.js';
import { createVerifier, admit } from '../../packages/cloud-connector-verifier/src/index.js';
import { describeUnless, missingModule, PYTHON } from '../support/debian.js';

const ROOT = resolve(__dirname, '../..');
const FOLDER = join(ROOT, 'packages/cloud-connector-mock-issuer/corpus');
const REGENERATE =
  'npx cloud-connector-mock-issuer write-corpus --now 2026-01-01T00:00:00Z ' +
  '--folder packages/cloud-connector-mock-issuer/corpus';

interface Requests {
  readonly issuer: string;
  readonly audience: string;
  readonly unit_primitive: string;
  readonly now: number;
  readonly until: number;
  readonly documents: Readonly<Record<string, string>>;
  readonly requests: readonly {
    readonly name: string;
    readonly expected: 'accept' | 'refuse' | 'forbid' | 'either';
    readonly statuses: readonly number[] | null;
    readonly error: string | null;
    readonly needs: string | null;
    readonly headers: Readonly<Record<string, string>>;
  }[];
}
interface KeySet {
  readonly name: string;
  readonly good_token_afterwards: string;
  readonly document: unknown;
}

const textOf = (name: string) => readFile(join(FOLDER, name), 'utf8');
const read = async <Content>(name: string) => JSON.parse(await textOf(name)) as Content;

/** What does not depend on keys and chance: decoded, without kids, moduli, ids and signatures. */
function withoutKeys(text: string): string {
  return text
    .replace(/[\w-]{16,}\.[\w-]+\.[\w-]*(?: [\w-]{20}(?="))?/g, (jws) => {
      const [header = '', payload = '', signature = ''] = jws.split('.');
      const plain = [header, payload].map((part) => Buffer.from(part, 'base64url').toString());
      return `${plain.join(' . ')} . ${signature.length}`;
    })
    .replace(/(\\*"(?:kid|n|x|y)\\*"\s*:\s*\\*")[\w-]{43,}/g, '$1...')
    .replace(/(\\*"jti\\*"\s*:\s*\\*")[\w-]{36}/g, '$1...')
    .replace(/[\w-]{86,}/g, (long) => `${long.length} characters`);
}

describe('the published corpus', () => {
  let corpus: Requests;
  beforeAll(async () => {
    corpus = await read<Requests>('requests.json');
  });

  it('is what verify-backend would send, but for its keys', async () => {
    const { issuer, now, until } = corpus;
    const made = await corpusFiles({
      issuer,
      now: new Date(now * 1000),
      until: new Date(until * 1000),
    });
    const differing: string[] = [];
    for (const [name, content] of made) {
      const lines = withoutKeys(await textOf(name)).split('\n');
      const others = withoutKeys(content).split('\n');
      const at = others.findIndex((line, index) => line !== lines[index]);
      if (at >= 0) differing.push(`${name}:${at + 1}: ${others[at] ?? ''} ${lines[at] ?? ''}`);
      if (others.length !== lines.length) differing.push(`${name}: ${lines.length} lines`);
    }
    expect([differing, `else run: ${REGENERATE}`]).toEqual([[], `else run: ${REGENERATE}`]);
    const names = corpus.requests.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(CORPUS.map(({ name }) => name)));
    expect(new Set(names).size).toBe(names.length);
  });

  it('has no private key', async () => {
    for (const name of [...Object.values(corpus.documents), 'requests.json', 'key-sets.json']) {
      expect(await textOf(name)).not.toMatch(/"(d|p|q|dp|dq|qi)"\s*:|PRIVATE KEY/);
    }
  });

  const served =
    (changed: Readonly<Record<string, string>> = {}) =>
    async (url: string): Promise<Response> => {
      const name = corpus.documents[url] ?? '';
      const isList = name.endsWith('.jwt');
      const type = isList ? 'application/statuslist+jwt' : 'application/json';
      const headers = { 'content-type': type };
      return new Response(changed[name] ?? (await textOf(name)), { headers });
    };
  const verifierOf = (about: object = {}) =>
    createVerifier({
      issuers: [corpus.issuer],
      audience: corpus.audience,
      clock: () => new Date(corpus.now * 1000),
      fetch: served(),
      statusList: true,
      ...about,
    });

  it('gets from the verifier of this project what it says', async () => {
    const verifier = verifierOf();
    const wrong: string[] = [];
    for (const { name, headers, expected, statuses, error } of corpus.requests) {
      const admission = await admit(verifier, { headers }, corpus.unit_primitive);
      const [status, body] = admission.admitted ? [200, {}] : [admission.status, admission.body];
      const said = Object.values(body)[0];
      const isRight =
        expected === 'either' ||
        (expected === 'accept' ? status === 200 : (statuses ?? []).includes(status));
      const saysSo = error === null || expected === 'either' || said === error;
      if (!isRight || !saysSo) wrong.push(`${name}: ${status} ${said ?? ''}`);
    }
    expect(wrong).toEqual([]);
    expect(corpus.requests.length).toBeGreaterThan(110);
  });

  it('has key sets that are broken, after which a good token gets what it says', async () => {
    const [good] = corpus.requests;
    const sets = await read<KeySet[]>('key-sets.json');
    for (const { name, document, good_token_afterwards } of sets) {
      expect(Object.keys(FAULTS)).toContain(name);
      let broken: Record<string, string> = {};
      let now = corpus.now;
      const verifier = verifierOf({
        fetch: (url: string) => served(broken)(url),
        clock: () => new Date(now * 1000),
      });
      await verifier.warmUp();
      broken = { 'keys.json': JSON.stringify(document) };
      now += 7200;
      await verifier.warmUp();
      const verdict = await verifier.verify(good?.headers ?? {});
      if (good_token_afterwards === 'accept')
        expect([name, verdict.accepted]).toEqual([name, true]);
    }
  });
});

describe.each([
  ['With PyJWT', missingModule('jwt', 'python3-jwt')],
  ['With Authlib', missingModule('authlib', 'python3-authlib')],
  ['With python-jose', missingModule('jose', 'python3-jose')],
])('the recipe on the page of Python backends: %s', (recipe, missing) => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'corpus-'));
    await cp(FOLDER, join(folder, 'corpus'), { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  describeUnless(missing)('as it stands there', () => {
    it('does with everything in the published corpus what it should', async () => {
      const page = await readFile(join(ROOT, 'docs/backends/python.md'), 'utf8');
      const blocks = new Map(
        [...page.matchAll(/```python\n# (.+)\n([^]*?)```/g)].map(([, name, code]) => [name, code]),
      );
      const backend = `${blocks.get('backend.py') ?? ''}${blocks.get(recipe) ?? ''}`;
      await writeFile(join(folder, 'backend.py'), backend);
      await writeFile(join(folder, 'try_corpus.py'), blocks.get('try_corpus.py') ?? '');
      const run = promisify(execFile);
      const { stdout } = await run(PYTHON, ['-B', 'try_corpus.py'], { cwd: folder });
      const said = /```\n(\d+ of \d+ as they should be)\n```/.exec(page)?.[1];
      expect(stdout.trim()).toBe(said);
    });
  });
});
