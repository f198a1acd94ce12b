import { hasTerminal } from './linux-process.js';

/**
 * Every entry point imports it first, before modules that take long to load.
 *
 * On SIGUSR1 Node opens its inspector to every user of the machine, who could then read the key-encryption
 * key. On SIGHUP Node ends, even after `nohup`. A service without a terminal would then end with the session
 * that started it.
 */
process.on('SIGUSR1', () => undefined);

const CLOSE_EVERY_MS = 50;
const SIGNAL_TAKES_EFFECT_MS = 10_000;

/** Checked once, because the terminal may be closed later. */
export const startedInTerminal = hasTerminal();
if (!startedInTerminal) process.on('SIGHUP', () => undefined);

closeUnwantedInspector();
// A thread of Node opens the inspector. On a busy machine that may be long after the signal and this line.
// eslint-disable-next-line local/guarded-listeners -- there is no logger yet; a start may end by what fails here
const watch = setInterval(closeUnwantedInspector, CLOSE_EVERY_MS).unref();
// eslint-disable-next-line local/guarded-listeners -- as above
setTimeout(clearInterval, SIGNAL_TAKES_EFFECT_MS, watch).unref();

/** SIGUSR1 may have come before the first line. With `--inspect` the inspector is wanted. */
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
