import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const SOUND: Readonly<Record<string, string>> = {
  'unit_primitives/ask_epic.yml':
    'name: ask_epic\ndescription: Asks\nbackend_services: [gateway]\nadd_ons: [duo_pro]\n',
  'backend_services/gateway.yml': 'name: gateway\njwt_aud: gitlab-gateway\n',
  'add_ons/duo_pro.yml': 'name: duo_pro\n',
  'license_types/ultimate.yml': 'name: ultimate\n',
  'services/chat.yml': 'name: chat\nunit_primitives: [ask_epic]\n',
};

const folders: string[] = [];

/** A small sound catalog in a folder of its own, with `files` added; null takes a file away. */
export function catalogFolder(
  files: Readonly<Record<string, string | Buffer | null>> = {},
): string {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-'));
  folders.push(folder);
  for (const [file, text] of Object.entries({ ...SOUND, ...files })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    if (text !== null) writeFileSync(join(folder, file), text);
  }
  return folder;
}

export function removeCatalogFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}
