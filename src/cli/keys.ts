import '../platform/take-signals.js';
import 'reflect-metadata';
import { userInfo } from 'node:os';
import type { INestApplicationContext } from '@nestjs/common';
import { CatalogFaultsError } from '../catalog/catalog-faults-error.js';
import { ConfigFaultsError } from '../../config/app-config.js';
import { pastedText } from '../domain/pasted-text.js';
import { isUuid } from '../domain/uuid.js';
import { IssuerError } from '../platform/issuer-error.js';
import { TROUBLES, troubleOf } from '../database/away.js';
import { RewrapSealedValues } from '../sealing/rewrap-sealed-values.js';
import { UnsealError } from '../sealing/sealing.js';
import { StartRefusedError } from '../platform/start-refused.js';
import { KeyTimeline } from '../signing-keys/key-timeline.js';
import { Replicas } from '../signing-keys/replicas.js';
import { RotateSigningKeys } from '../signing-keys/rotate-signing-keys.js';
import { HsmError } from '../signing-keys/hsm-error.js';
import { RevokeSigningKey } from '../signing-keys/revoke-signing-key.js';
import { type Output, readArguments, runCommand } from './command-line.js';
import { replicaLine, revocationLines, timelineLines } from './key-lines.js';
import {
  CommandRefusedError,
  type OperatorContextOptions,
  withOperatorContext,
} from './operator-context.js';

const USAGE = `Usage: npm run keys -- <command>

Manages the signing keys of the service. Start it with the same environment as the service, which may
run or not.

  list                  show every key, with its past and planned steps
  rotate                switch to the next key now; refused while validators may not know it
  revoke <kid>          revoke a key at once
    --dry-run           show the impact, change nothing
    --accept-outage     switch to the next key even if validators may not know it yet
    --reason <text>     a reason, which is stored with the key
  replicas              show every process of the service, and the keys that it publishes
  remove-replica <id>   remove a replica that has ended, so that no switch of keys waits for it
  rewrap                seal every secret again that is still sealed under KEY_ENCRYPTION_KEY_PREVIOUS,
                        now under KEY_ENCRYPTION_KEY; the service also does this by itself

Examples:
  npm run keys -- list
  npm run keys -- revoke Zb4kQ1xT0vN8 --dry-run
  npm run keys -- revoke Zb4kQ1xT0vN8 --reason "laptop stolen"
  npm run keys -- remove-replica 01a22223-ed37-7957-a4d7-da72f840b51e

Exit status: 0 done, 1 refused or failed, 2 wrong usage.`;

interface Options {
  readonly dryRun: boolean;
  readonly acceptOutage: boolean;
  readonly reason: string | null;
}

type Command = (app: INestApplicationContext, options: Options, output: Output) => Promise<void>;

export async function keysCommand(
  args: readonly string[],
  output: Output,
  context: OperatorContextOptions = {},
): Promise<0 | 1 | 2> {
  const usage = parseUsage(args);
  if (usage === 'help') {
    output.out(USAGE);
    return 0;
  }
  if ('wrong' in usage) {
    output.err(`${usage.wrong}\n\n${USAGE}`);
    return 2;
  }
  try {
    await withOperatorContext(({ app }) => usage.command(app, usage.options, output), context);
    return 0;
  } catch (error) {
    const trouble = troubleOf(error);
    if (error instanceof StartRefusedError) output.err(error.message);
    else if (trouble === 'away') {
      output.err('The database cannot be reached: check DATABASE_URL, or start the service.');
    } else if (trouble !== null) output.err(`The command did not finish: ${TROUBLES[trouble]}.`);
    else if (isForOperators(error)) output.err(error.message);
    else throw error;
    return 1;
  }
}

const list: Command = async (app, _options, { out }) => {
  for (const line of timelineLines(await app.get(KeyTimeline).read())) out(line);
};

const rotate: Command = async (app, options, output) => {
  await app.get(RotateSigningKeys).switchNow();
  await list(app, options, output);
};

const replicas: Command = async (app, _options, { out }) => {
  const all = app.get(Replicas);
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<Replicas['list']>> = await all.list({ after, perPage: 100 });
    for (const replica of page.items) out(replicaLine(replica, all.isAlive(replica)));
    after = page.nextCursor;
  } while (after !== null);
};

function removeReplica(id: string): Command {
  return async (app, options, output) => {
    const removed = isUuid(id) && (await app.get(Replicas).remove(id.toLowerCase()));
    if (!removed) throw new CommandRefusedError('There is no replica with this id.');
    await replicas(app, options, output);
  };
}

const rewrap: Command = async (app, _options, { out, err }) => {
  const counts = await app.get(RewrapSealedValues).run(({ done, total }) => {
    err(`${done} of ${total}`);
  });
  out(`sealed under the current key: ${counts.current}`);
  out(`sealed under the previous key: ${counts.previous}`);
  out(`sealed under another key: ${counts.unknown}`);
};

const COMMANDS = new Map<string, Command>(Object.entries({ list, rotate, replicas, rewrap }));

function revoke(kid: string): Command {
  return async (app, { dryRun, acceptOutage, reason }, { out }) => {
    const revokeSigningKey = app.get(RevokeSigningKey);
    const by = `${userInfo().username}, on the command line`;
    const revocation = dryRun
      ? await revokeSigningKey.dryRun(kid, acceptOutage)
      : await revokeSigningKey.revoke({ kid, by, reason, acceptOutage });
    for (const line of revocationLines(dryRun, revocation)) out(line);
    if (!dryRun) for (const line of timelineLines(await app.get(KeyTimeline).read())) out(line);
  };
}

function parseUsage(
  args: readonly string[],
): 'help' | { wrong: string } | { command: Command; options: Options } {
  try {
    const { values, positionals } = readArguments(args, {
      help: { type: 'boolean', short: 'h' },
      'dry-run': { type: 'boolean' },
      'accept-outage': { type: 'boolean' },
      reason: { type: 'string' },
    });
    if (values.help) return 'help';
    const command = commandOf(positionals);
    if (!command)
      return {
        wrong:
          'Name one command. revoke also needs the kid of a key, remove-replica the id of a replica.',
      };
    if (positionals[0] !== 'revoke' && Object.keys(values).length > 0) {
      return { wrong: `The command ${positionals[0] ?? ''} has no options.` };
    }
    const options = {
      dryRun: values['dry-run'] ?? false,
      acceptOutage: values['accept-outage'] ?? false,
      reason: values.reason ?? null,
    };
    return { command, options };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : 'Wrong arguments.' };
  }
}

function commandOf([name, given, ...rest]: readonly string[]): Command | null {
  const kid = given === undefined ? undefined : pastedText(given);
  if (name === 'revoke' && kid !== undefined && rest.length === 0) return revoke(kid);
  if (name === 'remove-replica' && kid !== undefined && rest.length === 0)
    return removeReplica(kid);
  if (kid !== undefined) return null;
  return COMMANDS.get(name ?? '') ?? null;
}

/** Errors whose message is for the operator. Every other error is a bug. */
function isForOperators(error: unknown): error is Error {
  const known = [CatalogFaultsError, CommandRefusedError, ConfigFaultsError, IssuerError];
  return [...known, HsmError, UnsealError].some((kind) => error instanceof kind);
}

if (require.main === module) runCommand(keysCommand);
