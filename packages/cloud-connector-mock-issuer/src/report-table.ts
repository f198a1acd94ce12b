import type { Deviation, Finding } from './judge-answer.js';
import type { BackendReport } from './verify-backend.js';

const HEADINGS: Readonly<Record<Deviation, string>> = {
  accepted: 'ACCEPTED, and should not have',
  followed: 'REFUSED, but fetched an address that the token named',
  refused: 'REFUSED, and should have let in',
  wrong_answer: 'REFUSED, but not as clients expect',
  no_answer: 'DID NOT ANSWER',
};

/** The report for a terminal: what deviates, each kind under its heading, then the sum. */
export function reportTable(report: BackendReport): string {
  const { deviations, findings } = report;
  const width = Math.max(0, ...deviations.map(({ name }) => name.length));
  const sections = Object.entries(HEADINGS).flatMap(([kind, heading]) => {
    const rows = deviations.filter(({ deviation }) => deviation === kind);
    if (rows.length === 0) return [];
    return [`${heading} (${rows.length})`, ...rows.map((row) => line(row, width)), ''];
  });
  const right = findings.length - deviations.length;
  const sum = `${right} of ${findings.length} as they should be, ${deviations.length} not`;
  return [...sections, `${report.url}: ${sum}`, ...warnings(report)].join('\n');
}

function line({ name, what, detail }: Finding, width: number): string {
  return `  ${name.padEnd(width)}  ${what}${detail === null ? '' : `; got ${detail}`}`;
}

function warnings({ baselineLetIn, baseline, findings }: BackendReport): string[] {
  const unfetched = findings.filter(
    ({ name, detail }) => name.startsWith('caching-') && detail === 'it did not fetch anything',
  ).length;
  return [
    ...(baselineLetIn
      ? []
      : [
          `It refused a good token (${baseline ?? 'no answer'}), so its refusals prove nothing. Does it trust`,
          'this issuer, have this audience, and ask for this unit primitive (see --help)?',
        ]),
    ...(unfetched === 0
      ? []
      : [
          `While ${unfetched} faults lasted it fetched nothing, so they prove nothing: --settle-seconds waits`,
          'before each of them.',
        ]),
  ];
}
