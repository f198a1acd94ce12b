import { randomBytes, randomUUID } from 'node:crypto';
import { uuidV7 } from '../../src/domain/uuid-v7.js';
import type { Finding } from '../../src/ledger-audit/finding.js';
import {
  type Audited,
  type AuditedDays,
  LedgerAuditor,
} from '../../src/ledger-audit/ledger-auditor.js';
import { LedgerCheckpoints } from '../../src/ledger/ledger-checkpoints.js';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import {
  type Generation,
  GENERATIONS,
  syncQuery,
  GitlabInstance,
  NEWEST,
} from '../support/gitlab-instance.js';
import { Intruder } from '../support/tampering.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

/** A ledger of four days, from 2026-03-01 on, with twelve tokens and three checkpoints. */
export interface AuditedLedger {
  readonly clock: FakeClock;
  readonly issuer: TestIssuer;
  /** Has remembered the ledger as it was issued. */
  readonly intruder: Intruder;
  client(n: number): GitlabInstance;
  audit(days?: AuditedDays): Promise<Audited & { readonly found: readonly Finding[] }>;
  /** The codes of what a full audit finds. */
  codes(): Promise<string[]>;
  /** The codes of what the sample of the running service finds. */
  sampled(): Promise<string[]>;
  /** Puts a copy of the last row into the ledger, without a batch and with `changes`. @returns its jti */
  plant(changes: Readonly<Record<string, unknown>>): Promise<string>;
  stop(): Promise<void>;
}

/** Its tokens are issued over HTTP while purchases begin and end and the license changes. */
export async function issueAuditedLedger(): Promise<AuditedLedger> {
  const clock = new FakeClock(new Date('2026-03-01T12:00:00.250Z'));
  const issuer = await startTestIssuer({ clock });
  const { id, licenseKey } = await registerLicense(issuer);
  const client = (n: number, generation: Generation = NEWEST) => {
    const identity = { licenseKey, instanceId: instanceIdOf(n) };
    return new GitlabInstance(issuer.url, identity, generation);
  };
  await issueWhileThingsChange({ clock, issuer, client }, id);
  const intruder = await Intruder.into(issuer);
  await intruder.remember();

  const audit = async (days: AuditedDays = {}) => {
    const found: Finding[] = [];
    const auditor = issuer.running.app.get(LedgerAuditor);
    return { ...(await auditor.audit(days, (finding) => found.push(finding))), found };
  };
  return {
    ...{ clock, issuer, intruder, client, audit },
    codes: async () => (await audit()).found.map(({ finding }) => finding),
    sampled: async () => {
      const codes: string[] = [];
      await issuer.running.app.get(LedgerAuditor).sample(({ finding }) => codes.push(finding));
      return codes;
    },
    plant: (changes) => plant(intruder, clock, changes),
    stop: async () => {
      await intruder.leave();
      await issuer.stop();
    },
  };
}

function instanceIdOf(n: number): string {
  return `8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5${n}`;
}

interface Scene {
  readonly clock: FakeClock;
  readonly issuer: TestIssuer;
  readonly client: (n: number, generation?: Generation) => GitlabInstance;
}

async function issueWhileThingsChange(scene: Scene, licenseId: string): Promise<void> {
  const { clock, issuer, client } = scene;
  const later = (milliseconds: number) => {
    clock.advance(milliseconds);
  };
  const checkpoint = () => issuer.running.app.get(LedgerCheckpoints).write();
  const change = (body: object) => issuer.admin('PATCH', `licenses/${licenseId}`, body);

  await client(0).serviceToken();
  later(MINUTE);
  const pro = await recordPurchase(issuer, licenseId, { add_on: 'duo_pro' });
  await Promise.all([0, 1, 2].map((n) => client(n).serviceToken()));
  later(DAY);
  await checkpoint();
  // Without any version.
  const old = client(1, GENERATIONS['the first GitLab']);
  const query = syncQuery('serviceToken { token }', GENERATIONS['the first GitLab']);
  const headers = { 'user-agent': 'a script', 'x-gitlab-instance-id': instanceIdOf(1) };
  await old.send({ query, variables: old.variables() }, headers);
  await recordPurchase(issuer, licenseId, { add_on: 'duo_enterprise', started_at: '2026-03-03' });
  // The same instant: nobody can tell which came first.
  await client(1).serviceToken();
  later(DAY);
  await client(1).serviceToken();
  await issuer.admin('DELETE', `add_on_purchases/${pro.id}`);
  later(MINUTE);
  await client(2).serviceToken();
  await checkpoint();
  await change({ plan: 'premium', expires_on: '2026-03-05' });
  later(DAY);
  await Promise.all([0, 1, 2].map((n) => client(n).serviceToken()));
  await change({ expires_on: '2026-02-20' });
  later(MINUTE);
  await client(0).serviceToken();
  await checkpoint();
  later(MINUTE);
}

async function plant(
  intruder: Intruder,
  clock: FakeClock,
  changes: Readonly<Record<string, unknown>>,
): Promise<string> {
  const [model] = await intruder.query(`SELECT * FROM issued_tokens ORDER BY jti DESC LIMIT 1`);
  const jti: unknown = uuidV7(clock.now(), randomBytes(10));
  const row = { ...model, jti, chain_id: randomUUID(), batch_number: 0, ...changes };
  const places = Object.keys(row).map((_, index) => `$${index + 1}`);
  await intruder.query(
    `INSERT INTO issued_tokens (${Object.keys(row).join()}) VALUES (${places.join()})`,
    Object.values(row),
  );
  clock.advance(MINUTE);
  return String(row.jti);
}
