import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { RuleTester } from 'eslint';
import { parser } from 'typescript-eslint';
import { rules } from '../lint/plugin.cjs';

const ROOT = resolve(__dirname, '..');
const types = new RuleTester({
  languageOptions: {
    parser,
    parserOptions: { projectService: { allowDefaultProject: ['*.ts'] }, tsconfigRootDir: ROOT },
  },
});
const LOOKUP = [{ messageId: 'lookup' }];
const DECLARED = `
  declare const text: string;
  declare const record: Record<string, number>;
  declare const known: 'a' | 'b';
  declare const index: number;
  declare const work: () => Promise<void>;
  declare const guarded: (logger: object, of: string, listener: () => unknown) => () => void;
  declare const logger: object;`;

function wrong(code: string, errors: { messageId: string }[]) {
  return { ...fine(code), errors };
}

function fine(code: string) {
  return { name: code, code: DECLARED + code, filename: join(ROOT, 'case.ts') };
}

const UNGUARDED = [{ messageId: 'unguarded' }];

types.run('a listener or a timer that could end the process', rules['guarded-listeners'], {
  invalid: [
    wrong('process.on("SIGTERM", () => { work(); });', UNGUARDED),
    wrong('process.once("exit", work);', UNGUARDED),
    wrong('new AbortController().signal.addEventListener("abort", () => work());', UNGUARDED),
    wrong('setTimeout(() => { throw new Error(); }, 1);', UNGUARDED),
    wrong('setInterval(work, 1);', UNGUARDED),
    wrong('setImmediate(() => void work());', UNGUARDED),
    wrong('process.nextTick(work);', UNGUARDED),
    wrong(
      'new Promise((resolve) => { setTimeout(() => { work(); resolve(1); }, 1); });',
      UNGUARDED,
    ),
    wrong('const listener = () => work(); process.on("exit", listener);', UNGUARDED),
    wrong(
      'class A { readonly run; constructor() { this.run = work; setImmediate(this.run); } }',
      UNGUARDED,
    ),
    wrong(
      'class A { run = work; constructor() { this.run = guarded(logger, "", work); setImmediate(this.run); } }',
      UNGUARDED,
    ),
  ],
  valid: [
    'process.on("SIGTERM", guarded(logger, "SIGTERM", work));',
    'const listener = guarded(logger, "exit", work); process.on("exit", listener);',
    'class A { readonly run; constructor() { this.run = guarded(logger, "", work); } start() { setImmediate(this.run); } }',
    'process.on("warning", () => undefined);',
    'new Promise((resolve) => { process.once("SIGTERM", resolve); });',
    'new Promise((_, reject) => { setTimeout(() => { reject(new Error()); }, 1); });',
    'process.on("exit", () => { work().catch(() => undefined); });',
    // Not an emitter: it guards what it is given.
    'declare const notifications: { on(name: string, run: () => void): void }; notifications.on("a", work);',
  ].map(fine),
});

types.run('a look-up by text that may come from outside', rules['no-lookup-by-text'], {
  invalid: [
    wrong('record[text];', LOOKUP),
    wrong('record[text] = 1;', LOOKUP),
    wrong('record[`/${text}`];', LOOKUP),
    wrong('({ a: 1 })[text as any];', LOOKUP),
    wrong('function f<Name extends string>(name: Name) { return record[name]; }', LOOKUP),
    wrong('declare const either: string | number; record[either];', LOOKUP),
    wrong('const { [text]: one } = record;', LOOKUP),
    wrong('Reflect.get(record, text);', LOOKUP),
    wrong('text in record;', [{ messageId: 'in' }]),
    wrong('Object.assign({}, record);', [{ messageId: 'assign' }]),
  ],
  valid: [
    'record["a"];',
    'record[known];',
    'known in record;',
    '[1, 2][index];',
    'text[index];',
    'new Map(Object.entries(record)).get(text);',
    'Object.hasOwn(record, text);',
    'Reflect.get(record, "code");',
    'function f<T>(of: T, name: keyof T & string) { return of[name]; }',
    // These define members, as JSON.parse does, and follow no `__proto__`.
    '({ ...record, [text]: 1 });',
    'Object.fromEntries([[text, 1]]);',
    'Object.assign({ a: 1 }, { b: 2 });',
  ].map(fine),
});

describe('eslint.config.mjs', () => {
  it.each([
    'src/main.ts',
    'config/app-config.ts',
    'packages/cloud-connector-verifier/src/verifier.ts',
  ])('has the rules of this repository for %s', (file) => {
    const eslint = join(ROOT, 'node_modules', 'eslint', 'bin', 'eslint.js');
    const printed = execFileSync(process.execPath, [eslint, '--print-config', file], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    const config = JSON.parse(printed) as { rules: Record<string, [severity: number]> };
    for (const name of Object.keys(rules)) expect(config.rules[`local/${name}`]).toEqual([2]);
  });
});
