import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const ROOT = resolve(__dirname, '..', '..');
/** A file, by its path from the root of the project. */
export const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
export const filesOf = (folder: string, end: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(end) && !/(^|\/)(node_modules|dist)\//.test(file))
    .map((file) => join(folder, file));
export const DOCS = filesOf('docs', '.md');
/** Every page of the project. */
export const PAGES = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...DOCS,
  ...filesOf('packages', '.md'),
  ...filesOf('examples', '.md'),
];

export interface Link {
  /** From the root of the project. */
  readonly file: string;
  readonly anchor: string | null;
}

/** The relative links of a page. */
export function linksOf(page: string): Link[] {
  return [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor = null] = target.split('#');
      const file = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
      return { file, anchor };
    });
}

/** What is wrong with a link of a page: nothing, or a sentence. */
export function faultOf(page: string, { file, anchor }: Link): string[] {
  if (!existsSync(join(ROOT, file))) return [`${page}: there is no ${file}`];
  if (anchor === null || anchorsOf(file).has(anchor)) return [];
  return [`${page}: there is no #${anchor} in ${file}`];
}

/** As GitHub and GitLab make them: lower case, without punctuation, with a hyphen for each blank. */
function anchorsOf(page: string): Set<string> {
  const headings = [...prose(read(page)).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text);
  return new Set(
    headings.map((text) =>
      text
        .replace(/\]\([^)]*\)/g, '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** A page without its blocks of code, which no link and no heading stands in. */
export function prose(text: string): string {
  return text.replace(/^( *)(`{3,})[^\n]*\n[\s\S]*?^\1\2$/gm, '');
}
