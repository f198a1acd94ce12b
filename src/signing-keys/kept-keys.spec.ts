import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../platform/logging.js';
import { KeptKeys } from './kept-keys.js';
import { generateSigningKey } from './signing-key.js';

describe('the kept keys', () => {
  it('are not written again by a later run that reads the same: its disk may be full', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'issuer-kept-'));
    // A file that is written whole is another file afterwards.
    const file = async () => (await stat(join(folder, 'published-keys.json'))).ino;
    const { publicJwk } = await generateSigningKey();
    const holdsSignerUntil = new Date('2026-03-01T00:00:00Z');
    const published = { document: { keys: [publicJwk] }, holdsSignerUntil };
    const readAt = new Date('2026-02-01T00:00:00Z');
    await new KeptKeys(folder, createLogger('fatal')).keep(published, readAt);
    const before = await file();

    const later = new KeptKeys(folder, createLogger('fatal'));
    expect(await later.read()).toEqual({ published, readAt });
    await later.keep(published, new Date('2026-02-02T00:00:00Z'));
    expect(await file()).toBe(before);
    await later.keep({ ...published, holdsSignerUntil: null }, readAt);
    expect(await file()).not.toBe(before);
    await rm(folder, { recursive: true });
  });
});
