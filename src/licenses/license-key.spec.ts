import { createHash } from 'node:crypto';
import {
  generateLicenseKey,
  licenseKeyDigest,
  looksLikeActivationCode,
  normaliseLicenseKey,
} from './license-key.js';

const KEY = 'first line\nsecond line';

describe('a license key', () => {
  it.each([
    ['as it is', KEY],
    ['with the trailing newline that a script sends', `${KEY}\n`],
    ['with CRLF', 'first line\r\nsecond line\r\n'],
    ['with white space around it', ` \t\n${KEY} \r\n\r\n`],
  ])('is the same key %s', (_how, sent) => {
    expect(normaliseLicenseKey(sent)).toBe(KEY);
    expect(licenseKeyDigest(sent)).toEqual(licenseKeyDigest(KEY));
  });

  it.each([
    ['other white space inside', 'first line \nsecond line'],
    ['another case', KEY.toUpperCase()],
    ['no line break', 'first linesecond line'],
    ['one letter more', `${KEY}x`],
    ['a lone carriage return', 'first line\rsecond line'],
  ])('is another key with %s', (_what, sent) => {
    expect(licenseKeyDigest(sent)).not.toEqual(licenseKeyDigest(KEY));
  });

  it('is looked up by the SHA-256 of its UTF-8 text', () => {
    const digest = createHash('sha256').update(Buffer.from('clé', 'utf8')).digest();
    expect(licenseKeyDigest(' clé\r\n')).toEqual(digest);
  });
});

describe('a generated license key', () => {
  it('says what it is and carries 256 random bits', () => {
    expect(generateLicenseKey()).toMatch(/^cci_license_[A-Za-z0-9_-]{43}$/);
    expect(new Set(Array.from({ length: 100 }, generateLicenseKey)).size).toBe(100);
  });

  it('comes back as it left, and is taken for no activation code', () => {
    const key = generateLicenseKey();
    expect(normaliseLicenseKey(key)).toBe(key);
    expect(looksLikeActivationCode(key)).toBe(false);
  });
});

describe('looksLikeActivationCode', () => {
  const code = 'aB3dE6gH9jK2mN5pQ8sT1vW4';

  it.each([code, `${code}\n`, ` ${code}\r\n`, '0'.repeat(24)])('takes %j for one', (text) => {
    expect(looksLikeActivationCode(text)).toBe(true);
  });

  it.each([
    code.slice(1),
    `${code}x`,
    code.replace('3', '-'),
    code.replace('B', 'é'),
    `${code.slice(0, 12)}\n${code.slice(12)}`,
    `${code}\n${code}`,
    '',
  ])('does not take %j for one', (text) => {
    expect(looksLikeActivationCode(text)).toBe(false);
  });
});
