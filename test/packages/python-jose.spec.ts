import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { registerPaidLicense } from '../support/builders.js';
import { describeUnless, missingModule, PYTHON } from '../support/debian.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ForeignIssuer, keyNumber, signed } from './foreign-issuer.js';

const AUDIENCE = 'gitlab-ai-gateway';
/** The keys are fetched as published, and the token decoded with them and the audience, RS256 only. */
const DECODE = `
import json, sys, urllib.request
from jose import jwt
from jose.exceptions import JWTError
issuer, audience, token = sys.argv[1:4]
get = lambda url: json.load(urllib.request.urlopen(url))
keys = get(get(issuer + "/.well-known/openid-configuration")["jwks_uri"])
try:
    claims = jwt.decode(token, keys, audience=audience, algorithms=["RS256"])
    print(json.dumps(claims))
except JWTError as error:
    print(json.dumps({"refused": str(error)}))
`;

/** As above; PyJWT looks at `iat`, too, and by the clock of its own machine. */
const DECODE_WITH_PYJWT = `
import json, sys, urllib.request, jwt
from jwt.exceptions import InvalidTokenError
issuer, audience, token = sys.argv[1:4]
keys = jwt.PyJWKClient(issuer + "/oauth/discovery/keys")
try:
    key = keys.get_signing_key_from_jwt(token).key
    print(json.dumps(jwt.decode(token, key, audience=audience, algorithms=["RS256"])))
except InvalidTokenError as error:
    print(json.dumps({"refused": str(error)}))
`;

async function runPython(script: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', script, ...args]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describeUnless(missingModule('jwt', 'python3-jwt'))(
  'a token under PyJWT, on a machine whose clock is behind,',
  () => {
    let issuer: TestIssuer;
    const clock = new FakeClock(new Date());
    beforeAll(async () => {
      issuer = await startTestIssuer({ clock });
    });
    afterAll(() => issuer.stop());

    /** The clock of PyJWT is the real one. */
    async function decodedWhenBehindBy(seconds: number, ask: () => Promise<string>) {
      clock.set(new Date(Date.now() + seconds * 1000));
      return runPython(DECODE_WITH_PYJWT, issuer.url, AUDIENCE, await ask());
    }

    async function serviceToken(): Promise<string> {
      const { licenseKey } = await registerPaidLicense(issuer, {
        starts_on: '2020-01-01',
        expires_on: '2099-01-01',
      });
      const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: randomUUID() });
      return (await client.serviceToken()).token;
    }

    it('is accepted as soon as it is issued, a few seconds behind', async () => {
      const claims = await decodedWhenBehindBy(4, serviceToken);
      expect(claims).toMatchObject({ iss: issuer.url, iat: claims['nbf'] });
    });

    it('is refused when it is behind by more than the configured skew', async () => {
      const { refused } = await decodedWhenBehindBy(120, serviceToken);
      expect(refused).toMatch(/not yet valid/);
    });
  },
);

describeUnless(missingModule('jose', 'python3-jose'))(
  'a token under python-jose, the library of the AI gateway',
  () => {
    let issuer: TestIssuer;
    let token: string;
    const instanceId = randomUUID();
    beforeAll(async () => {
      issuer = await startTestIssuer();
      const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2099-01-01' });
      token = (await new GitlabInstance(issuer.url, { licenseKey, instanceId }).serviceToken())
        .token;
    });
    afterAll(() => issuer.stop());

    async function decode(compact: string, audience = AUDIENCE, url = issuer.url) {
      return runPython(DECODE, url, audience, compact);
    }

    it('is accepted with the published keys and the audience', async () => {
      const claims = await decode(token);
      expect(claims).toMatchObject({
        iss: issuer.url,
        sub: instanceId,
        gitlab_realm: 'self-managed',
        scopes: expect.arrayContaining(['duo_chat']) as unknown,
      });
    });

    it('is refused for another audience, or changed', async () => {
      expect(await decode(token, 'another')).toEqual({ refused: 'Invalid audience' });
      const changed = token.slice(0, -6) + 'AAAAAA';
      expect(await decode(changed)).toMatchObject({ refused: expect.any(String) as unknown });
    });

    it('is refused with a key that is not published', async () => {
      const foreign = await new ForeignIssuer(keyNumber(0)).start();
      const claims = foreign.claims(new Date());
      const good = signed(keyNumber(0), foreign.header(), claims);
      expect(await decode(good, AUDIENCE, foreign.url)).toMatchObject({ iss: foreign.url });
      const bad = signed(keyNumber(1), foreign.header(), claims);
      expect(await decode(bad, AUDIENCE, foreign.url)).toMatchObject({
        refused: 'Signature verification failed.',
      });
      await foreign.stop();
    });
  },
);
