import { Agent, request } from 'node:http';

const QUERY =
  'query cloudConnectorAccess($licenseKey: String!, $gitlabVersion: String!) { cloudConnectorAccess(' +
  'licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) { serviceToken { token expiresAt } catalog } }';

export interface Subject {
  readonly licenseKey: string;
  readonly instanceId: string;
}

export interface LoadResult {
  readonly syncs: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Syncs each subject in turn, `concurrency` at a time, until `seconds` are over or `syncs` are done. */
export async function load(
  url: string,
  subjects: readonly Subject[],
  limits: { readonly concurrency: number; readonly seconds: number; readonly syncs: number },
): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: limits.concurrency });
  const latencies: number[] = [];
  const started = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < limits.syncs && performance.now() - started < limits.seconds * 1000) {
      const subject = subjects[next % subjects.length];
      next += 1;
      if (!subject) throw new Error('there is nobody to sync');
      const before = performance.now();
      requireToken(await post(url, agent, subject));
      latencies.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: limits.concurrency }, worker));
  agent.destroy();
  latencies.sort((one, other) => one - other);
  return {
    syncs: latencies.length,
    seconds: (performance.now() - started) / 1000,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}

/** Throws for a refused sync, because it would count as a fast one. */
function requireToken(answer: string): void {
  if (answer.startsWith('{"data":{"cloudConnectorAccess":{"serviceToken":{"token":"ey')) return;
  throw new Error(`a sync got no token: ${answer.slice(0, 300)}`);
}

/** One sync, as an instance sends it. */
export function syncRequest(subject: Subject): string {
  const body = bodyOf(subject);
  const lines = Object.entries({ ...headersOf(subject, body), host: 'a', connection: 'close' });
  const head = lines.map(([name, value]) => `${name}: ${value}`);
  return `POST /graphql HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`;
}

function bodyOf({ licenseKey }: Subject): string {
  return JSON.stringify({ query: QUERY, variables: { licenseKey, gitlabVersion: '18.5.0' } });
}

function headersOf({ instanceId }: Subject, body: string): Record<string, string | number> {
  return {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'GitLab/18.5.0',
    'x-gitlab-instance-id': instanceId,
    'x-gitlab-host-name': 'gitlab.example.com',
    'x-gitlab-realm': 'self-managed',
    'x-gitlab-version': '18.5.0',
  };
}

function post(url: string, agent: Agent, subject: Subject): Promise<string> {
  const body = bodyOf(subject);
  const headers = headersOf(subject, body);
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/graphql`, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve(Buffer.concat(chunks).toString());
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
