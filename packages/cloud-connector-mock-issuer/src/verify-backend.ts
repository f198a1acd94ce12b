import { ask, type BackendTarget } from './ask-backend.js';
import { cachingFindings } from './caching-findings.js';
import { CORPUS } from './corpus.js';
import type { CorpusEntry } from './corpus-entry.js';
import { fetchByEnvironment } from './environment-proxy.js';
import { HEADER_CASES, type HeaderCase, REALM_CASE } from './header-cases.js';
import { type Finding, isLetIn, judged, rightError } from './judge-answer.js';
import { DEFAULT_UNIT_PRIMITIVE, type MockIssuerOptions } from './mock-issuer-options.js';
import { type MockIssuer, startMockIssuer } from './start-mock-issuer.js';
import { secondIssuerFindings } from './second-issuer-findings.js';
import { sent, type Trial, untilLetIn } from './trial.js';

/** What to try on a backend. */
export interface VerifyBackendOptions {
  /** An endpoint of the backend that asks for the unit primitive. */
  readonly url: string;
  /** Default POST. */
  readonly method?: string;
  /** Default `{}`; null: none. Something that the endpoint would take. */
  readonly body?: string | null;
  /** Sent with each request; those that clients of Cloud Connector send come by themselves. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What the endpoint asks for among the scopes. Default `duo_chat`. */
  readonly unitPrimitive?: string;
  /** The backend reads status lists: it must know a revoked token. Default false. */
  readonly statusList?: boolean;
  /** Also rotate keys and break their endpoints. Default false. */
  readonly caching?: boolean;
  /** Compare the `error` of refusals with what the field's backends say. Default false. */
  readonly compareBodies?: boolean;
  /** How long the backend may take to learn a new key. Default 35. */
  readonly patienceSeconds?: number;
  /** How long to wait before each broken key set, for a backend that fetches only now and then. Default 0. */
  readonly settleSeconds?: number;
  /** Default 10. */
  readonly timeoutSeconds?: number;
  /** The issuer that the backend trusts: one that runs, or how to start it. Default: port 5000. */
  readonly issuer?: MockIssuer | MockIssuerOptions;
  /** A second issuer that the backend trusts as well, to try whether they are kept apart. */
  readonly secondIssuer?: MockIssuer | MockIssuerOptions;
  /** Called with each finding as it comes. */
  readonly onFinding?: (finding: Finding) => void;
}

export interface BackendReport {
  readonly url: string;
  /** The status for a good token; null: no answer. */
  readonly baseline: number | null;
  /** Whether good tokens are let in: where they are not, a refusal proves nothing. */
  readonly baselineLetIn: boolean;
  readonly findings: readonly Finding[];
  /** Those of them that should be otherwise. */
  readonly deviations: readonly Finding[];
}

/**
 * Sends a backend everything that it should accept, refuse and forbid, and compares.
 * @throws {Error} EADDRINUSE when the issuer's port is taken; when the variable with the proxy is unusable
 */
export async function verifyBackend(options: VerifyBackendOptions): Promise<BackendReport> {
  const started: MockIssuer[] = [];
  const running = async (given: MockIssuer | MockIssuerOptions): Promise<MockIssuer> => {
    if ('mint' in given) return given;
    const { unitPrimitive = DEFAULT_UNIT_PRIMITIVE } = options;
    // Nothing rotates by itself: what is asked is asked of known keys.
    const issuer = await startMockIssuer({ rotateSeconds: 0, unitPrimitive, ...given });
    started.push(issuer);
    return issuer;
  };
  try {
    const issuer = await running(options.issuer ?? {});
    const second = options.secondIssuer && (await running(options.secondIssuer));
    return await withIssuers(issuer, second, options);
  } finally {
    await Promise.all(started.map(async (issuer) => issuer.close()));
  }
}

async function withIssuers(
  issuer: MockIssuer,
  second: MockIssuer | undefined,
  options: VerifyBackendOptions,
): Promise<BackendReport> {
  const findings: Finding[] = [];
  const trial: Trial = {
    issuer,
    target: targetOf(options),
    patienceSeconds: options.patienceSeconds ?? 35,
    settleSeconds: options.settleSeconds ?? 0,
    note: (finding) => {
      findings.push(finding);
      options.onFinding?.(finding);
    },
  };
  const baseline = await untilLetIn(trial);
  if (baseline.status === null) {
    // Nobody is there: to say so a hundred times would not help.
    const [good] = CORPUS;
    if (good) trial.note(judged(good, baseline));
  } else {
    await everything(trial, options);
    if (second) await secondIssuerFindings(trial, second);
    if (options.caching === true) await cachingFindings(trial);
  }
  return {
    url: options.url,
    baseline: baseline.status,
    baselineLetIn: isLetIn(baseline),
    findings,
    deviations: findings.filter(({ deviation }) => deviation !== null),
  };
}

async function everything(trial: Trial, options: VerifyBackendOptions): Promise<void> {
  for (const entry of CORPUS) {
    if (entry.needsStatusList === true && options.statusList !== true) continue;
    trial.note(await triedToken(trial, entry, options));
  }
  trial.note(await triedRealm(trial));
  for (const each of HEADER_CASES) trial.note(await triedHeaders(trial, each, options));
}

function targetOf(options: VerifyBackendOptions): BackendTarget {
  const method = options.method ?? 'POST';
  const bodiless = method === 'GET' || method === 'HEAD';
  return {
    url: options.url,
    method,
    body: options.body === undefined ? (bodiless ? null : '{}') : options.body,
    headers: options.headers ?? {},
    timeoutSeconds: options.timeoutSeconds ?? 10,
    fetch: fetchByEnvironment([options.url]),
  };
}

async function triedToken(
  trial: Trial,
  entry: CorpusEntry,
  { compareBodies, unitPrimitive = DEFAULT_UNIT_PRIMITIVE }: VerifyBackendOptions,
): Promise<Finding> {
  const before = trial.issuer.fetches().attacker;
  const answer = await sent(trial, entry.name);
  const error = entry.anyError === true ? null : rightError(entry.expected, unitPrimitive);
  const finding = judged({ ...entry, error }, answer, compareBodies);
  const followed = trial.issuer.fetches().attacker > before;
  if (!followed || finding.deviation !== null) return finding;
  return { ...finding, deviation: 'followed', detail: 'it fetched the address in the token' };
}

async function triedRealm(trial: Trial): Promise<Finding> {
  const { realm, ...wanted } = REALM_CASE;
  return judged(wanted, await sent(trial, 'good', { realm }));
}

async function triedHeaders(
  trial: Trial,
  { changes, ...wanted }: HeaderCase,
  { compareBodies }: VerifyBackendOptions,
): Promise<Finding> {
  const minted = await trial.issuer.mint('good');
  const { token = '', headers = {} } = minted ?? {};
  const answer = await ask(trial.target, {
    ...headers,
    Authorization: `Bearer ${token}`,
    ...changes(token, headers['X-Gitlab-Instance-Id'] ?? ''),
  });
  return judged(wanted, answer, compareBodies);
}
