import '../platform/take-signals.js';
import 'reflect-metadata';
import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { CatalogFaultsError } from '../catalog/catalog-faults-error.js';
import { ConfigFaultsError } from '../../config/app-config.js';
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
import { WithdrawSigningKey } from '../signing-keys/withdraw-signing-key.js';
import { replicaLine, revocationLines, timelineLines } from './key-lines.js';
import { CommandRefusedError, withOperatorContext } from './operator-context.js';

const USAGE = `Usage: npm run keys -- <command>

Works on the signing keys of the service whose environment it is started with, while it runs or not.

  list                  every key, with what was done and what is to come
  rotate                let the standby sign now; refused while validators may not know it
  revoke <kid>          take a key out of service at once
    --dry-run           only tell whom it would hit, and what validators must do
    --accept-outage     switch although validators may not know the standby yet
    --reason <text>     kept with the key
  replicas              every process of the service, and what it publishes
  strike-out <id>       no switch of keys waits any longer for a replica that has ended
  rewrap                seal everything again under KEY_ENCRYPTION_KEY that is still sealed under
                        KEY_ENCRYPTION_KEY_PREVIOUS; the service does it by itself, too

Examples:
  npm run keys -- list
  npm run keys -- revoke Zb4…kid… --dry-run
  npm run keys -- revoke Zb4…kid… --reason "laptop stolen"

Exit status: 0 done, 1 refused or failed, 2 wrong usage.`;

/** Where the command writes: results to `out`, what is wrong to `err`. */
interface Output {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

interface Options {
  readonly dryRun: boolean;
  readonly acceptOutage: boolean;
  readonly reason: string | null;
}

type Command = (app: INestApplicationContext, options: Options, output: Output) => Promise<void>;

export async function keysCommand(args: readonly string[], output: Output): Promise<0 | 1 | 2> {
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
    await withOperatorContext(({ app }) => usage.command(app, usage.options, output));
    return 0;
  } catch (error) {
    const trouble = troubleOf(error);
    if (error instanceof StartRefusedError) output.err(error.message);
    else if (trouble === 'away') {
      output.err('The database cannot be reached: check DATABASE_URL, or start the service.');
    } else if (trouble !== null) output.err(`The command did not finish: ${TROUBLES[trouble]}.`);
    else if (isTold(error)) output.err(error.message);
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

function strikeOut(id: string): Command {
  return async (app, options, output) => {
    const struckOut = isUuid(id) && (await app.get(Replicas).strikeOut(id.toLowerCase()));
    if (!struckOut) throw new CommandRefusedError('There is no replica with this id.');
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
    const withdraw = app.get(WithdrawSigningKey);
    const by = `${userInfo().username}, on the command line`;
    const withdrawn = dryRun
      ? await withdraw.dryRun(kid, acceptOutage)
      : await withdraw.revoke({ kid, by, reason, acceptOutage });
    for (const line of revocationLines(dryRun, withdrawn)) out(line);
    if (!dryRun) for (const line of timelineLines(await app.get(KeyTimeline).read())) out(line);
  };
}

function parseUsage(
  args: readonly string[],
): 'help' | { wrong: string } | { command: Command; options: Options } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        'dry-run': { type: 'boolean' },
        'accept-outage': { type: 'boolean' },
        reason: { type: 'string' },
      },
    });
    if (values.help) return 'help';
    const command = commandOf(positionals);
    if (!command)
      return {
        wrong:
          'Name one command; for revoke also the kid of a key, for strike-out the id of a replica.',
      };
    if (positionals[0] !== 'revoke' && Object.keys(values).length > 0) {
      return { wrong: `${positionals[0] ?? ''} takes no option.` };
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

function commandOf([name, kid, ...rest]: readonly string[]): Command | null {
  if (name === 'revoke' && kid !== undefined && rest.length === 0) return revoke(kid);
  if (name === 'strike-out' && kid !== undefined && rest.length === 0) return strikeOut(kid);
  if (kid !== undefined) return null;
  return COMMANDS.get(name ?? '') ?? null;
}

/** Errors whose message is for the operator; any other one is a bug. */
function isTold(error: unknown): error is Error {
  const told = [CatalogFaultsError, CommandRefusedError, ConfigFaultsError, IssuerError];
  return [...told, HsmError, UnsealError].some((kind) => error instanceof kind);
}

if (require.main === module) {
  const output: Output = {
    out: (line) => {
      console.log(line);
    },
    err: (line) => {
      console.error(line);
    },
  };
  keysCommand(process.argv.slice(2), output).then(
    (status) => {
      process.exitCode = status;
    },
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}
