import { codeOf } from '../platform/code-of.js';
import { StartRefusedError } from '../platform/start-refused.js';

const REASONS: ReadonlyMap<string | null, string> = new Map([
  ['EADDRINUSE', 'PORT: another process listens on this port of HOST already'],
  ['EACCES', 'PORT: this user may not listen on this port: those below 1024 are for root'],
  ['EADDRNOTAVAIL', 'HOST: is not an address of this machine'],
  ['ENOTFOUND', 'HOST: this name has no address'],
  ['EAI_AGAIN', 'HOST: the name service does not answer for this name'],
]);

/** Runs `listen`. When it fails, the error names the setting that is wrong. */
export async function namingTheListener<Result>(listen: () => Promise<Result>): Promise<Result> {
  try {
    return await listen();
  } catch (error) {
    const reason = REASONS.get(codeOf(error));
    throw reason === undefined ? error : new StartRefusedError(reason, { cause: error });
  }
}
