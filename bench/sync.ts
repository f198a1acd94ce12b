import '../src/platform/take-signals.js';
import 'reflect-metadata';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { bareSignatureCpuMs, processCpuMs, processTreeCpuMs } from './cpu-time.js';
import { load, type LoadResult, type Subject } from './load.js';
import { analyze, registerLicenses, startMeasuredService } from './service.js';

const LICENSES = 2000;
const HELP = `Measures token syncs end to end: the service and its Postgres as processes of their own.

  npm run bench                       10 s at 32 requests at a time
  npm run bench -- --seconds 30       longer
  npm run bench -- --concurrency 1    one request at a time

CPU times are divided by that of one bare RSA-2048 signature, sampled before and after, so that the
figures of different machines can be compared.`;

interface Cost {
  readonly nodeMs: number;
  readonly postgresMs: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '10' },
      concurrency: { type: 'string', default: '32' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const service = await startMeasuredService();
  try {
    console.log(`Registering ${LICENSES} licenses with two add-on purchases each ...`);
    const subjects = await registerLicenses(service.databaseUrl, LICENSES);
    const limits = { concurrency: Number(values.concurrency), seconds: Number(values.seconds) };
    console.log('Warming up: every instance syncs twice ...');
    await load(service.url, subjects, { ...limits, seconds: 600, syncs: 2 * LICENSES });
    await analyze(service.databaseUrl);
    await measure(service.url, subjects, limits, service.pid, service.postgresPid);
  } finally {
    await service.stop();
  }
}

async function measure(
  url: string,
  subjects: readonly Subject[],
  limits: { readonly concurrency: number; readonly seconds: number },
  servicePid: number,
  postgresPid: number,
): Promise<void> {
  const signatureBefore = bareSignatureCpuMs();
  console.log(`Measuring ${limits.seconds} s at ${limits.concurrency} requests at a time ...`);
  const cpuBefore = { nodeMs: processCpuMs(servicePid), postgresMs: processTreeCpuMs(postgresPid) };
  const result = await load(url, subjects, { ...limits, syncs: Number.MAX_SAFE_INTEGER });
  const cost = {
    nodeMs: (processCpuMs(servicePid) - cpuBefore.nodeMs) / result.syncs,
    postgresMs: (processTreeCpuMs(postgresPid) - cpuBefore.postgresMs) / result.syncs,
  };
  report(result, cost, (signatureBefore + bareSignatureCpuMs()) / 2);
}

function report(result: LoadResult, { nodeMs, postgresMs }: Cost, signatureMs: number): void {
  const inSignatures = (milliseconds: number) => (milliseconds / signatureMs).toFixed(2);
  console.log(`
${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}
syncs                 ${result.syncs} in ${result.seconds.toFixed(1)} s
syncs per second      ${(result.syncs / result.seconds).toFixed(0)}
latency               p50 ${result.p50Ms.toFixed(1)} ms, p99 ${result.p99Ms.toFixed(1)} ms
RSA-2048 signature    ${signatureMs.toFixed(3)} ms CPU
CPU per sync          Node ${nodeMs.toFixed(3)} ms, Postgres ${postgresMs.toFixed(3)} ms
in signatures         Node ${inSignatures(nodeMs)}, Postgres ${inSignatures(postgresMs)}, both ${inSignatures(nodeMs + postgresMs)}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
