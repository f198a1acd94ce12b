import { hasTerminal } from './linux-process.js';

/**
 * To be imported first by every entry point, before what takes long to load.
 *
 * Node opens its inspector at SIGUSR1, to every user of the machine. Through it they can read the
 * key-encryption key. Node also ends at SIGHUP, and undoes what `nohup` has set. A service without a
 * terminal would then end with the session in which it was started.
 */
process.on('SIGUSR1', () => undefined);

const CLOSE_EVERY_MS = 50;
const SIGNAL_TAKES_EFFECT_MS = 10_000;

/** A terminal that is closed later is gone, so this is asked once. */
export const startedInTerminal = hasTerminal();
if (!startedInTerminal) process.on('SIGHUP', () => undefined);

closeUnwantedInspector();
// A thread of Node's opens the inspector. On a busy machine it may run long after the signal, and after this line.
// eslint-disable-next-line local/guarded-listeners -- there is no logger yet; a start may end by what fails here
const watch = setInterval(closeUnwantedInspector, CLOSE_EVERY_MS).unref();
// eslint-disable-next-line local/guarded-listeners -- as above
setTimeout(clearInterval, SIGNAL_TAKES_EFFECT_MS, watch).unref();

/** SIGUSR1 may have come before the first line. Who starts Node with `--inspect` wants it open. */
function closeUnwantedInspector(): void {
  if (!process.features.inspector) return;
  const inspector = process.getBuiltinModule('node:inspector');
  if (inspector.url() !== undefined && !isInspectorAskedFor()) inspector.close();
}

function isInspectorAskedFor(): boolean {
  // eslint-disable-next-line no-restricted-syntax -- Node's own variable, before any of ours is read
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  return /(?:^|\s)--inspect(?:-brk|-wait)?(?:=|\s|$)/.test(options);
}
