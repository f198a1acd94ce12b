import { validateSync } from 'class-validator';
import {
  IsCount,
  IsDay,
  IsEmailAddress,
  IsGitlabVersion,
  IsInstant,
  IsText,
  IsTextOfLines,
  IsUuid,
  MayBeAbsent,
  MayBeNull,
} from './validators.js';

/** The message that `value` meets where `decorate` stands, or null when it may pass. */
function faultOf(decorate: PropertyDecorator[], body: object): string | null {
  class Body {
    declare member: unknown;
  }
  for (const each of decorate) each(Body.prototype, 'member');
  const [error] = validateSync(Object.assign(new Body(), body));
  return error?.constraints ? (Object.values(error.constraints)[0] ?? '') : null;
}

/** What no rule for a text takes: no value is coerced. */
const NO_TEXTS = [7, true, null, undefined, {}, ['2026-01-01'], new Date(0)];

interface Rule {
  readonly rule: PropertyDecorator;
  readonly message: string;
  readonly takes: readonly unknown[];
  readonly refuses: readonly unknown[];
}

const RULES: Readonly<Record<string, Rule>> = {
  IsDay: {
    rule: IsDay(),
    message: 'must be a day as YYYY-MM-DD',
    takes: ['2026-01-01', '2024-02-29'],
    refuses: ['2026-02-29', '2026-01-01T00:00:00Z', '01/01/2026', '', ...NO_TEXTS],
  },
  IsText: {
    rule: IsText(5),
    message: 'must be a text of 1 to 5 characters without control characters',
    takes: ['a', ' a ', '12345', 'Ünï', '日本語', '\u{1f511}'],
    refuses: [
      ...['', '   ', '\u00a0', '123456', 'a\u0000b', 'a\nb', 'a\u007f', 'a\u0085'],
      ...['\ud800', 'a\udc00b', '\udd11\ud83d'],
      ...NO_TEXTS,
    ],
  },
  IsTextOfLines: {
    rule: IsTextOfLines(3, 12),
    message: 'must be a text of at least 3 and at most 12 characters, well-formed Unicode',
    takes: ['abc', 'one\nand\ntwo', '\u{1f511}.', '\ufffd\ufffd\ufffd', 'twelve chars'],
    refuses: [
      ...['', 'ab', 'thirteen char', 'abc\ud800', 'abc\udc00b', 'a\udd11\ud83d'],
      ...NO_TEXTS,
    ],
  },
  IsEmailAddress: {
    rule: IsEmailAddress(),
    message: 'must be an e-mail address',
    takes: ['ada@example.com', 'ada+gitlab@mail.example.com', '"ada lovelace"@example.com'],
    refuses: [
      ...['', 'ada', 'ada@', '@example.com', 'ada@example', 'ada@@example.com'],
      ...['\ud800@example.com', 'ada@\udc00.example.com', '"\ud800"@example.com'],
      ...['"a\nb"@example.com', '"a\rb"@example.com', '"a\u0000b"@example.com'],
      ...['"a\u007fb"@example.com', 'ada@example.com\n', `${'a'.repeat(243)}@example.com`],
      ...NO_TEXTS,
    ],
  },
  IsInstant: {
    rule: IsInstant(),
    message: 'must be an instant like 2026-01-01T00:00:00Z',
    takes: ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00+02:00', '2026-01-01'],
    refuses: ['2026-02-30T00:00:00Z', 'now', '', ...NO_TEXTS],
  },
  IsGitlabVersion: {
    rule: IsGitlabVersion(),
    message: 'must be a version like 18.5.0, or unknown',
    takes: ['18.5.0', '18.5', '18.5.0-ee'],
    refuses: ['18', 'v18.5', '', 18.5, ...NO_TEXTS],
  },
  IsUuid: {
    rule: IsUuid('the id of a thing'),
    message: 'must be the id of a thing, a UUID',
    takes: ['0197f0a0-0000-7000-8000-000000000001', 'E2F5D0A4-1B7C-4C3E-9A60-0A1B2C3D4E5F'],
    refuses: [
      '0197f0a0000070008000000000000001',
      '{0197f0a0-0000-7000-8000-000000000001}',
      '0197f0a0-0000-7000-8000-00000000000g',
      '0197f0a0-0000-7000-8000-000000000001\n',
      ...NO_TEXTS,
    ],
  },
  IsCount: {
    rule: IsCount(),
    message: 'must be a whole number from 1 to 2147483647',
    takes: [1, 2_147_483_647],
    refuses: [0, -1, 1.5, 2_147_483_648, NaN, Infinity, '1', 1n, null, undefined, true, [1]],
  },
};

describe.each(Object.entries(RULES))('%s', (_name, { rule, message, takes, refuses }) => {
  it.each(takes)('takes %j', (member) => {
    expect(faultOf([rule], { member })).toBeNull();
  });

  it('refuses anything else and says what it wants', () => {
    const passed = refuses.filter((member) => faultOf([rule], { member }) !== message);
    expect(passed).toEqual([]);
  });
});

describe('a member that may be absent', () => {
  const rules = [MayBeAbsent(), IsDay()];

  it('may be left out, but not be null or wrong', () => {
    expect(faultOf(rules, {})).toBeNull();
    expect(faultOf(rules, { member: undefined })).toBeNull();
    expect(faultOf(rules, { member: '2026-01-01' })).toBeNull();
    for (const member of [null, '', 'soon', 0, false]) {
      expect(faultOf(rules, { member })).toBe('must be a day as YYYY-MM-DD');
    }
  });
});

describe('a member that may be null', () => {
  const rules = [MayBeNull(), IsDay()];

  it('may be cleared or left out, but not be wrong', () => {
    expect(faultOf(rules, {})).toBeNull();
    expect(faultOf(rules, { member: null })).toBeNull();
    for (const member of ['', 'soon', 0, false]) {
      expect(faultOf(rules, { member })).toBe('must be a day as YYYY-MM-DD');
    }
  });
});
