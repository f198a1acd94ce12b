import { promisify } from 'node:util';
import { constants, deflate } from 'node:zlib';
import { statusListBytes, type StatusWord } from '../domain/status-list.js';

const deflateBest = promisify<Uint8Array, Buffer>((bytes, done) => {
  deflate(bytes, { level: constants.Z_BEST_COMPRESSION }, done);
});

/**
 * The `lst` of a list: its bytes in the ZLIB format (RFC 1950), off the main thread, as base64url
 * (draft-ietf-oauth-status-list section 4.2).
 */
export async function encodeStatusList(words: readonly StatusWord[]): Promise<string> {
  return (await deflateBest(statusListBytes(words))).toString('base64url');
}
