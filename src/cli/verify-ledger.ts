import '../platform/take-signals.js';
import 'reflect-metadata';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { CatalogFaultsError } from '../catalog/catalog-faults-error.js';
import { isCalendarDay } from '../domain/calendar-day.js';
import { pastedText } from '../domain/pasted-text.js';
import type { Finding } from '../ledger-audit/finding.js';
import { JudgeToken, NotAJwsError } from '../ledger-audit/judge-token.js';
import { LedgerAuditor, type Progress } from '../ledger-audit/ledger-auditor.js';
import { ConfigFaultsError } from '../../config/app-config.js';
import {
  CommandRefusedError,
  type OperatorContext,
  type OperatorContextOptions,
  withOperatorContext,
} from './operator-context.js';
import { type Output, readArguments } from './command-line.js';

const USAGE = `Usage: npm run ledger:verify -- [--from <day>] [--to <day>] [--checkpoints <file>] [--json]
       npm run ledger:verify -- --token-file <file> [--json]

Recomputes what each issued token should have said, from the histories of licenses and purchases and
from the catalogs and configurations that were in force, and reports every row that should not exist
or is not what was written; then the chains of the ledger and its signed checkpoints. It only reads,
and may run beside the service: on DATABASE_URL, or on the embedded Postgres of DATA_DIR.

  --from, --to <day>   read the rows of these days only, YYYY-MM-DD in UTC, both included;
                       chains and checkpoints are always verified as a whole
  --token-file <file>  verify one token instead; - reads it from standard input
  --checkpoints <file> compare the checkpoints with copies that were kept elsewhere: any text that
                       holds them, such as answers of GET /api/v1/ledger_checkpoints
  --json               one JSON object a line: the findings, then a summary

Examples:
  npm run ledger:verify
  npm run ledger:verify -- --from 2026-03-01 --to 2026-03-07 --json
  npm run ledger:verify -- --token-file suspicious.jwt
  wl-paste | npm run ledger:verify -- --token-file -

Exit status: 0 nothing found, 1 something found, 2 wrong usage or not able to verify.`;

/** How often progress is shown. */
const PROGRESS_EVERY_MS = 2000;

interface Asked {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly checkpointsFile?: string | undefined;
  readonly json: boolean;
}

type Status = 0 | 1 | 2;

/** @returns the exit status: 0 nothing found, 1 findings, 2 wrong usage or not able to verify */
export async function verifyLedger(
  args: readonly string[],
  output: Output,
  options: OperatorContextOptions = {},
): Promise<Status> {
  const asked = parseUsage(args);
  if (asked === 'help') {
    output.out(USAGE);
    return 0;
  }
  if ('wrong' in asked) {
    output.err(`${asked.wrong}\n\n${USAGE}`);
    return 2;
  }
  try {
    const token = asked.tokenFile === undefined ? null : await readToken(asked.tokenFile);
    return await withOperatorContext(
      (context) =>
        token === null ? verify(context, asked, output) : judge(context, token, asked, output),
      options,
    );
  } catch (error) {
    if (!isForOperators(error)) throw error;
    output.err(error.message);
    return 2;
  }
}

async function verify({ app }: OperatorContext, asked: Asked, output: Output): Promise<Status> {
  const started = performance.now();
  let findings = 0;
  const report = (finding: Finding) => {
    findings += 1;
    output.out(asked.json ? JSON.stringify(finding) : lineOf(finding));
  };
  const copies = asked.checkpointsFile === undefined ? [] : await readCopies(asked.checkpointsFile);
  const audited = await app
    .get(LedgerAuditor)
    .audit({ ...asked, copies }, report, progressTo(output, started));
  const seconds = Math.round(performance.now() - started) / 1000;
  const { rows, batches, checkpoints } = audited;
  if (asked.json) output.out(JSON.stringify({ ...audited, findings, seconds }));
  else {
    output.out(
      `${rows} tokens, ${batches} batches, ${checkpoints} checkpoint${checkpoints === 1 ? '' : 's'} in ${seconds} s: ` +
        (findings === 0 ? 'nothing found' : `${findings} finding(s)`),
    );
  }
  return findings === 0 ? 0 : 1;
}

async function judge(
  { app }: OperatorContext,
  token: string,
  { json }: Asked,
  output: Output,
): Promise<Status> {
  let findings = 0;
  const judged = await app.get(JudgeToken).judge(token, (finding) => {
    findings += 1;
    output.out(json ? JSON.stringify(finding) : lineOf(finding));
  });
  if (json) output.out(JSON.stringify({ ...judged, findings }));
  else if (judged.recorded === null) {
    output.out(`token ${judged.jti ?? ''}: its day is past retention, and so is the token`);
  } else if (findings === 0) {
    output.out(
      `token ${judged.jti ?? ''}: issued by us as the ledger says, under key ${judged.kid ?? ''}`,
    );
  }
  return findings === 0 ? 0 : 1;
}

function progressTo({ err }: Output, started: number): Progress {
  let told = started;
  let before = 0;
  let current = '';
  let ofDay = 0;
  return (day, rows) => {
    if (day !== current) before += ofDay;
    [current, ofDay] = [day, rows];
    const now = performance.now();
    if (now - told < PROGRESS_EVERY_MS) return;
    told = now;
    const perSecond = Math.round(((before + rows) * 1000) / (now - started));
    err(`${day}: ${before + rows} rows so far, ${perSecond} rows/s`);
  };
}

function lineOf({ finding, jti, batch, checkpoint, detail }: Finding): string {
  const subjects = [
    jti === undefined ? null : `token ${jti}`,
    batch === undefined ? null : `batch ${batch}`,
    checkpoint === undefined ? null : `checkpoint ${checkpoint}`,
  ];
  const subject = subjects.filter((one) => one !== null).join(', ');
  return `${finding}${subject === '' ? '' : ` ${subject}`}: ${detail}`;
}

async function readCopies(file: string): Promise<string[]> {
  let kept: string;
  try {
    kept = await readFile(file, 'utf8');
  } catch {
    throw new CommandRefusedError(`the file ${file} cannot be read`);
  }
  const copies = kept.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g) ?? [];
  if (copies.length === 0) throw new CommandRefusedError(`the file ${file} holds no checkpoint`);
  return copies;
}

async function readToken(file: string): Promise<string> {
  try {
    return pastedText(file === '-' ? await text(process.stdin) : await readFile(file, 'utf8'));
  } catch {
    throw new CommandRefusedError(`the file ${file} cannot be read`);
  }
}

function isForOperators(error: unknown): error is Error {
  return [CommandRefusedError, ConfigFaultsError, CatalogFaultsError, NotAJwsError].some(
    (kind) => error instanceof kind,
  );
}

function parseUsage(args: readonly string[]): 'help' | { wrong: string } | Asked {
  try {
    const { values, positionals } = readArguments(args, {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      from: { type: 'string' },
      to: { type: 'string' },
      'token-file': { type: 'string' },
      checkpoints: { type: 'string' },
    });
    if (values.help) return 'help';
    // It may be a token that somebody has pasted, so it is not repeated.
    if (positionals.length > 0) return { wrong: 'This command takes options only: see below.' };
    const {
      from,
      to,
      'token-file': tokenFile,
      checkpoints: checkpointsFile,
      json = false,
    } = values;
    const days = [from, to].filter((day) => day !== undefined);
    const wrong = days.find((day) => !isCalendarDay(day));
    if (wrong !== undefined)
      return { wrong: `${JSON.stringify(wrong)} is no day like 2026-03-01.` };
    if (from !== undefined && to !== undefined && from > to)
      return { wrong: '--from lies after --to.' };
    if (tokenFile !== undefined && days.length > 0) return { wrong: 'A token needs no days.' };
    return { from, to, tokenFile, checkpointsFile, json };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : 'Wrong arguments.' };
  }
}

async function main(): Promise<void> {
  process.exitCode = await verifyLedger(process.argv.slice(2), {
    out: (line) => {
      console.log(line);
    },
    err: (line) => {
      console.error(line);
    },
  });
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 2;
  });
}
