import { spawnSync } from 'node:child_process';

import { PYTHON } from '../support/debian.js';

/** The fields that have a text for a name, as another reader reads them; null where it refuses the document. */
export type ForeignReading = Readonly<Record<string, unknown>> | null;

/** An instant without a zone is one in UTC. */
const READ_ALL = `
import datetime, json, sys, yaml
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
def plain(value):
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return {"$ms": (zoned - EPOCH) // datetime.timedelta(milliseconds=1)}
    if isinstance(value, datetime.date):
        return plain(datetime.datetime(value.year, value.month, value.day))
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, str) else {"$other": repr(value)}
for line in sys.stdin:
    try:
        read = yaml.load(json.loads(line).encode("utf-8"), Loader=getattr(yaml, sys.argv[1]))
        answer = {key: plain(value) for key, value in read.items() if isinstance(key, str)}
    except Exception:
        answer = None
    print(json.dumps(answer))
`;

/** Reads all documents with PyYAML, in one process. */
export function readByPython(
  texts: readonly string[],
  loader: 'SafeLoader' | 'CSafeLoader',
): ForeignReading[] {
  const input = texts.map((text) => `${JSON.stringify(text)}\n`).join('');
  const { stdout, stderr } = spawnSync(PYTHON, ['-c', READ_ALL, loader], {
    input,
    maxBuffer: 2 ** 28,
  });
  const lines = stdout.toString().trimEnd().split('\n');
  if (lines.length !== texts.length) throw new Error(stderr.toString());
  return lines.map((line) => JSON.parse(line, withDates) as ForeignReading);
}

function withDates(_key: string, value: unknown): unknown {
  const isDate = typeof value === 'object' && value !== null && '$ms' in value;
  return isDate ? new Date(Number(value.$ms)) : value;
}
