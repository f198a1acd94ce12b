import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { uuidV7 } from '../../src/domain/uuid-v7.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import { type AuditedLedger, issueAuditedLedger } from './audited-ledger.js';
import { type Verdict, verifyOn } from './ledger-command.js';

const NO_ROW = '019caffe-0000-7000-8000-000000000000';

describe('a token that somebody brings to the auditor', () => {
  let ledger: AuditedLedger;
  let folder: string;
  let token: string;
  beforeAll(async () => {
    ledger = await issueAuditedLedger();
    token = (await ledger.client(0).serviceToken()).token;
    ledger.clock.advance(60_000);
    await ledger.intruder.remember();
    folder = await mkdtemp(join(tmpdir(), 'tokens-'));
  });
  afterEach(() => ledger.intruder.restore());
  afterAll(async () => {
    await ledger.stop();
    await rm(folder, { recursive: true });
  });

  async function judge(text: string, ...args: string[]): Promise<Verdict> {
    const file = join(folder, 'token');
    await writeFile(file, `${text}\n`);
    const verdict = await verifyOn(ledger, '--token-file', file, ...args);
    expect([...verdict.out, ...verdict.err].join()).not.toContain(text.slice(0, 60));
    return verdict;
  }

  /** With the very key, past the ledger. */
  const sign = (claims: object) =>
    ledger.issuer.running.app
      .get(SigningKeys)
      .current()
      .sign(Buffer.from(JSON.stringify(claims)));

  it('is ours when the ledger has it as it is', async () => {
    const { jti } = decodeJwt(token);
    const verdict = await judge(token);
    expect(verdict).toEqual({
      status: 0,
      out: [expect.stringMatching(`^token ${String(jti)}: issued by us`)],
      err: [],
    });
  });

  it('was signed with a stolen key when the ledger does not have it (Storm-0558)', async () => {
    const jti = uuidV7(ledger.clock.now(), randomBytes(10));
    const forged = await sign({ ...decodeJwt(token), jti });
    const verdict = await judge(forged, '--json');
    expect(verdict.status).toBe(1);
    expect(verdict.out.map((line) => JSON.parse(line) as unknown)).toEqual([
      { finding: 'FORGED', jti, detail: expect.stringContaining('revoke it') as string },
      { jti, kid: expect.any(String) as string, recorded: false, findings: 1 },
    ]);
    await expect(ledger.codes()).resolves.toEqual([]);
  });

  const OTHER = 'the ledger knows its jti with another payload or key';
  it.each([
    ['has no row', { jti: NO_ROW }, 'a key of ours signed it, and the ledger has no row for it'],
    ['says more under the jti of a token that was issued', { scopes: ['everything'] }, OTHER],
    ['has a jti that is not a UUID', { jti: 'mine' }, 'its jti is not a UUID, as ours are'],
    ['has no jti', { jti: undefined }, 'its jti is not a UUID, as ours are'],
  ])(
    'was signed with a stolen key when it %s, unless a row is missing',
    async (_w, claims, why) => {
      const forged = { ...decodeJwt(token), ...claims };
      const { status, out } = await judge(await sign(forged));
      const named = why.startsWith('its jti') ? '' : ` token ${String(forged.jti)}`;
      const kid = String(decodeProtectedHeader(token).kid);
      const line =
        `FORGED${named}: ${why}: first check with npm run ledger:verify whether rows are missing. ` +
        `If none is, somebody else has key ${kid}: revoke it`;
      expect([status, ...out]).toEqual([1, line]);
    },
  );

  it('is foreign when it was not signed by a key of ours', async () => {
    const foreign = `${token.slice(0, -20)}${'A'.repeat(20)}`;
    expect(await judge(foreign)).toMatchObject({
      status: 1,
      out: [expect.stringMatching(/^FOREIGN/)],
    });
  });

  it('has the findings of its row and its batch when these were changed', async () => {
    const change = `UPDATE issued_tokens SET gitlab_version = '99.0' WHERE jti = $1`;
    await ledger.intruder.query(change, [decodeJwt(token).jti]);
    const { status, out } = await judge(token);
    expect(status).toBe(1);
    expect(out.map((line) => line.split(' ')[0])).toContain('ROW_MISSING_OR_CHANGED');
  });

  it('is refused without being repeated when it is not a token', async () => {
    expect(await judge('not.a token')).toEqual({
      ...{ status: 2, out: [], err: ['this is not a compact JWS'] },
    });
    expect(await verifyOn(ledger, '--token-file', join(folder, 'missing'))).toMatchObject({
      status: 2,
    });
  });
});
