'use strict';
// Node opens its inspector at SIGUSR1, to every user of the machine: a user who connects reads the license
// key and the tokens. At SIGHUP it ends, and undoes what `nohup` has set. Both are taken before anything
// else is loaded.
const { readFileSync } = require('node:fs');
const { isatty } = require('node:tty');

process.on('SIGUSR1', () => undefined);
if (!hasTerminal()) process.on('SIGHUP', () => undefined);
closeUnwantedInspector();
// A thread of Node's opens the inspector. On a busy machine it may run long after the signal, and after this line.
const watch = setInterval(closeUnwantedInspector, 50).unref();
setTimeout(clearInterval, 10_000, watch).unref();

function closeUnwantedInspector() {
  if (!process.features.inspector) return;
  const inspector = require('node:inspector');
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  const askedFor = /(?:^|\s)--inspect(?:-brk|-wait)?(?:=|\s|$)/.test(options);
  if (inspector.url() !== undefined && !askedFor) inspector.close();
}

/** Not after `setsid`, and not after `nohup`, which takes the terminal from the standard streams. */
function hasTerminal() {
  return controllingTerminal() !== '0' && [0, 1, 2].some((descriptor) => isatty(descriptor));
}

function controllingTerminal() {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4];
  } catch {
    // Not Linux: the standard streams have to tell.
    return undefined;
  }
}
