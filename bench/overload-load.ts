import { randomBytes } from 'node:crypto';
import { arrive, closedLoop, holdOpen, type Seen, type Target } from './attacks.js';
import { syncRequest, type Subject } from './load.js';

/** The settings of one load, as the process that makes it receives them. */
export type Load =
  | { readonly kind: 'syncs'; readonly atATime: number }
  | { readonly kind: 'arriving-syncs'; readonly perSecond: number }
  | {
      readonly kind: 'pipelines';
      readonly connections: number;
      readonly requests: number;
      readonly header?: string;
    }
  | { readonly kind: 'half-open'; readonly connections: number }
  | { readonly kind: 'unread-answers'; readonly connections: number }
  | { readonly kind: 'slow-bodies'; readonly connections: number }
  | { readonly kind: 'nested-body'; readonly atATime: number }
  | { readonly kind: 'wide-admin-body'; readonly atATime: number };

export interface LoadOrder {
  readonly load: Load;
  readonly target: Target;
  readonly subjects: readonly Subject[];
  readonly seconds: number;
}

const MIB = 1_048_576;

export function run({ load, target, subjects, seconds }: LoadOrder): Promise<Seen> {
  const { port } = target;
  let next = 0;
  const sync = () => {
    const subject = subjects[next % subjects.length];
    next += 1;
    return subject ? syncRequest(subject) : '';
  };
  switch (load.kind) {
    case 'syncs':
      return closedLoop(port, sync, load.atATime, seconds);
    case 'arriving-syncs':
      return arrive(port, sync, load.perSecond, seconds);
    case 'pipelines': {
      const head = `GET /api/docs HTTP/1.1\r\nHost: a\r\n${load.header ?? ''}\r\n`;
      const requests = head.repeat(load.requests);
      return holdOpen(port, load.connections, requests, seconds);
    }
    case 'half-open':
      return holdOpen(port, load.connections, '', seconds);
    case 'unread-answers': {
      const requests = 'GET /api/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100);
      return holdOpen(port, load.connections, requests, seconds);
    }
    case 'slow-bodies': {
      const begun = post('/graphql', '', MIB).concat(' ');
      return holdOpen(port, load.connections, begun, seconds);
    }
    case 'nested-body':
      return closedLoop(port, () => post('/graphql', '['.repeat(MIB)), load.atATime, seconds);
    case 'wide-admin-body': {
      const body = JSON.stringify(Object.fromEntries(names(100_000)));
      const request = post('/api/v1/licenses', body, body.length, target.adminToken);
      return closedLoop(port, () => request, load.atATime, seconds);
    }
  }
}

function* names(count: number): Generator<[string, number]> {
  for (let index = 0; index < count; index += 1) yield [index.toString(36), 1];
}

function post(path: string, body: string, length = body.length, token?: string): string {
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: a',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    `X-Gitlab-Instance-Id: ${randomBytes(8).toString('hex')}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

if (require.main === module) {
  process.once('message', (order) => {
    run(order as LoadOrder).then(
      (seen) => process.send?.(seen, () => process.exit(0)),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
