import { randomUUID } from 'node:crypto';
import { importPKCS8, SignJWT } from 'jose';
import { Sealing } from '../../src/sealing/sealing.js';
import { select } from '../contract/ledger.js';
import { backendHeaders, BackendValidator } from '../support/backend-validator.js';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { times } from '../support/proofs.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { keepKeys } from './key-set.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A day in steps: a validator fetches the keys at each of them. */
const STEP = times(4, 8) * HOUR;
const ROTATION_DAYS = 3;
const AUDIENCE = 'gitlab-ai-gateway';
const INSTANCE_ID = randomUUID();

/** Fetches the keys every 24 hours. */
class DailyValidator {
  private current: { validator: BackendValidator; until: number } | null = null;

  constructor(
    private readonly url: string,
    private readonly clock: FakeClock,
    private readonly firstFetchAt: number,
  ) {}

  get isUp(): boolean {
    return this.clock.now().getTime() >= this.firstFetchAt;
  }

  async accepts(token: string): Promise<boolean> {
    const now = this.clock.now().getTime();
    if (!this.current || now >= this.current.until) {
      const validator = new BackendValidator(this.url, AUDIENCE, () => this.clock.now());
      this.current = { validator, until: now + DAY };
    }
    const verdict = await this.current.validator.judge(backendHeaders(token, INSTANCE_ID));
    return verdict.accepted;
  }
}

describe('ten rotations in a row, for validators that fetch the keys at different times', () => {
  const start = Date.parse('2026-03-01T00:00:00Z');
  const clock = new FakeClock(new Date(start));
  let issuer: TestIssuer;
  let gitlab: GitlabInstance;
  beforeAll(async () => {
    issuer = await startTestIssuer({
      clock,
      environment: { SIGNING_KEY_ROTATION_DAYS: String(ROTATION_DAYS) },
    });
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2030-01-01' });
    gitlab = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
  });
  afterAll(() => issuer.stop());

  it('never make a valid token refused, nor a token of an unpublished key accepted', async () => {
    // One validator starts in each step of the first day, so one fetches in every step of every day.
    const validators = Array.from(
      { length: DAY / STEP },
      (_, index) => new DailyValidator(issuer.url, clock, start + index * STEP),
    );
    const tokens: { readonly token: string; readonly expiresAt: number }[] = [];
    const stolen = new Map<string, string>();
    let switches = 0;
    while (switches < 10) {
      const steps = await keepKeys(issuer);
      switches += steps.filter((step) => step === 'switch').length;
      await stealKeys(stolen);
      const { token, expiresAt } = await gitlab.serviceToken();
      tokens.push({ token, expiresAt: Date.parse(expiresAt) });
      const now = clock.now().getTime();
      const live = tokens.filter((one) => one.expiresAt > now).map((one) => one.token);
      const up = validators.filter(({ isUp }) => isUp);
      for (const validator of up) {
        const verdicts = await Promise.all(live.map((one) => validator.accepts(one)));
        expect(verdicts).not.toContain(false);
      }
      await expectForgeriesRefused(stolen, up);
      clock.advance(STEP);
    }
    expect(stolen.size).toBe(12);
  }, 300_000);

  /** Copies every private half, like a thief with the database and the key-encryption key. */
  async function stealKeys(stolen: Map<string, string>): Promise<void> {
    const sealing = new Sealing(issuer.keyEncryptionKey);
    const rows = await select<{ kid: string; sealed: Buffer }>(
      issuer,
      'SELECT kid, sealed_private_key AS sealed FROM signing_keys WHERE sealed_private_key IS NOT NULL',
    );
    for (const { kid, sealed } of rows) {
      const der = sealing.open(sealed, `signing_keys:${kid}`).toString('base64');
      stolen.set(kid, `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----`);
    }
  }

  async function expectForgeriesRefused(
    stolen: ReadonlyMap<string, string>,
    validators: readonly DailyValidator[],
  ): Promise<void> {
    const since = new Date(clock.now().getTime() - DAY);
    const unpublished = await select<{ kid: string }>(
      issuer,
      'SELECT kid FROM signing_keys WHERE unpublished_at <= $1 ORDER BY unpublished_at DESC LIMIT 1',
      [since],
    );
    const seconds = Math.floor(clock.now().getTime() / 1000);
    for (const { kid } of unpublished) {
      const key = await importPKCS8(stolen.get(kid) ?? '', 'RS256');
      const claims = { gitlab_realm: 'self-managed', scopes: ['ask_epic'], sub: INSTANCE_ID };
      const forged = await new SignJWT({ ...claims, jti: randomUUID(), aud: [AUDIENCE] })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid })
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + 3600)
        .sign(key);
      for (const validator of validators) expect(await validator.accepts(forged)).toBe(false);
    }
  }
});
