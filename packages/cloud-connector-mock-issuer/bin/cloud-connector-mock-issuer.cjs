#!/usr/bin/env node
'use strict';
// Node opens its inspector at SIGUSR1, to every user of the machine.
process.on('SIGUSR1', () => undefined);
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
// In a checkout the sources are there, and may be newer than what was compiled from them.
if (existsSync(join(root, 'src'))) {
  const build = join(root, '..', '..', 'scripts', 'build-when-needed.mjs');
  const { status } = spawnSync(process.execPath, [build, 'packages/cloud-connector-mock-issuer'], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
}
require('../dist/cli/main.js');
