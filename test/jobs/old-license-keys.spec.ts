import { DropOldLicenseKeys } from '../../src/licenses/drop-old-license-keys.js';
import { select } from '../contract/ledger.js';
import { registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

describe('old license keys', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  const forget = () => issuer.running.app.get(DropOldLicenseKeys).run();
  const kept = async () => (await select(issuer, 'SELECT FROM replaced_license_keys')).length;

  it('are dropped once their grace is over, and not before; twice does nothing', async () => {
    const { id } = await registerLicense(issuer);
    await issuer.admin('POST', `licenses/${id}/replace_key`, { grace_seconds: 60 });
    clock.advance(59_999);
    await forget();
    expect(await kept()).toBe(1);
    clock.advance(1);
    await Promise.all([forget(), forget()]);
    expect(await kept()).toBe(0);
  });
});
