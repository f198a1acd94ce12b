import {
  type MockIssuer,
  startMockIssuer,
  verifyBackend,
} from '../../packages/mock-issuer/src/index.js';
import { createVerifier } from '../../packages/verifier/src/index.js';
import { BackendValidator } from '../support/backend-validator.js';
import { type Answerer, serveVerdicts } from '../support/serve-verdicts.js';

const NOW = new Date('2026-11-23T12:00:00Z');
const now = () => NOW;
const AUDIENCE = 'gitlab-ai-gateway';
const MISSING_SCOPE = { status: 403, error: 'Unauthorized to access duo_chat' };

describe('verifyBackend', () => {
  let issuer: MockIssuer;
  let secondIssuer: MockIssuer;

  beforeAll(async () => {
    secondIssuer = await startMockIssuer({ port: 0, rotateSeconds: 0, now });
    issuer = await startMockIssuer({ port: 0, rotateSeconds: 0, now });
  });
  afterAll(async () => {
    await issuer.close();
    await secondIssuer.close();
  });

  const reportOn = async (answer: Answerer, options: object = {}) => {
    const { url, close } = await serveVerdicts(answer);
    try {
      return await verifyBackend({ url, issuer, patienceSeconds: 5, ...options });
    } finally {
      close();
    }
  };

  it('finds nothing in a backend with the verifier of this project, not even with broken keys', async () => {
    const verifier = createVerifier({
      issuers: [issuer.issuer, secondIssuer.issuer],
      audience: AUDIENCE,
      cooldownSeconds: 0,
      timeoutMs: 500,
      clock: now,
    });
    const answer: Answerer = async (headers) => {
      const verdict = await verifier.verify(headers);
      if (!verdict.accepted) return { status: verdict.status, ...verdict.body };
      return verdict.user.can('duo_chat') ? { status: 200 } : MISSING_SCOPE;
    };
    const report = await reportOn(answer, { compareBodies: true, caching: true, secondIssuer });
    expect(report.deviations).toEqual([]);
    expect(report.findings.filter(({ detail }) => detail !== null)).toEqual([]);
  });

  it('finds in the model of a backend of the field what that is known to let in', async () => {
    const validator = new BackendValidator(issuer.issuer, AUDIENCE, now);
    const report = await reportOn(async (headers) => {
      const verdict = await validator.judge(headers);
      if (!verdict.accepted) return { status: 401, error: verdict.error };
      return verdict.scopes.includes('duo_chat') ? { status: 200 } : MISSING_SCOPE;
    });
    expect(report.deviations.map(({ name, deviation }) => `${String(deviation)} ${name}`)).toEqual(
      [
        'wrong-issuer',
        'issuer-suffix',
        'sub-empty',
        'realm-empty',
        'missing-iss',
        'missing-exp',
        'missing-gitlab-realm',
        'iss-an-array',
        'typ-status-list',
        'typ-checkpoint',
        'base64-padded',
        'whitespace-inside',
      ].map((name) => `accepted ${name}`),
    );
  });
});
