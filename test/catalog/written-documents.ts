import * as fc from 'fast-check';

const GOOD_LINES = [
  'group: group::duo_chat',
  'cut_off_date: 2024-10-17T00:00:00+00:00',
  'cut_off_date: null',
  "min_gitlab_version: '16.9' # or 16.10",
  'documentation_url: https://docs.gitlab.com/ee/user/gitlab_duo_chat/',
  'add_ons:\n    - duo_pro\n    - duo_enterprise',
  'license_types: # the plans\n  - premium\n  - ultimate',
  'backend_services: &x [ai_gateway]',
  'alias_names: *x',
  'milestone: "17.5"',
];
const FIELDS = ['documentation_url', 'milestone', 'cut_off_date', 'min_gitlab_version', 'group'];
const LISTS = ['add_ons', 'license_types', 'backend_services'];
const OTHERS = ['cutoff_date', 'Add_Ons', 'seat_assignable', 'yes', '16', '<<', '"a b"', '~'];
const FRONTS = ['---\n', '--- # ours\n', '# A comment\n', '\n', '%YAML 1.1\n---\n', '\ufeff'];
const ENDS = ['...\n', '# end', '---\n', '--- \nname: b\n', ' ', '\t', '\n\n'];
const TAGS = words(
  '!!str !!timestamp !!binary !!set !!int !ruby/object:A !!python/name:a ! &x &y !<a>',
);
const WORDS = words(
  `~ null Null NULL nULL yes Yes yEs no on Off y N true TRUE tRue False .inf -.INF .nan .Nan`,
);
const NUMBERS =
  words(`16.9 16.10 17 0 -1 +1 010 0o10 09 0x1F 0b11 1_000 1,000 1e3 1.0e+3 1.61e1 .5 5. . -. 1:30
  16:30:00 1:30.5 190:20:30 18.5.0 v16.9 16.9-ee _1 1__0 0_8 1.5_5 1.e+1 +.e-5 .e+5 0. 1.2.3.4 -0b1 0x 0b 1_ 1:99`);
const DATES = [
  ...words(`2024-10-17 2024-10-17T00:00:00Z 2024-10-17T00:00:00+00:00 2024-10-17T02:00:00+02:00 2024-10-17T00:00:00z
    2024-10-17T08:09:10.1234Z 2024-10-17t08:09:10 2024-1-7 2024-10-17T8:09:10Z 2024-10-17T00:00Z 2024-02-30 2024-13-01
    2024-10-17T00:00:00.Z 2024-10-17T00:00:00-00:30 2024-10-17T24:00:00Z 2024-10-17T23:59:60Z 2024-10-17T00:00:00+0200
    2024-10-17T00:00:00+2 0000-01-01 2024-10-17T00:00:00-05 2024-10-17T00:00:00.999999999Z -2024-10-17 2024-10 20241017
    17-10-2024 2024/10/17 2024-10-17T 9999-12-31T23:59:59-14:00 2024-10-17T00:00:00+24:00 2024-10-17T00:00:00+14:59`),
  ...[
    '2024-10-17 00:00:00',
    '2024-10-17 00:00:00 UTC',
    '2024-10-17 08:09:10 Z',
    '2024-10-17\t00:00:00',
  ],
  ...['2024-10-17T00:00:00 -05:00', '2024-10-17  00:00:00', '2024-10-17 # today'],
];
const TEXTS = [
  ...words(`duo_pro group::ai https://docs.gitlab.com/a#b a:b -a !a &a *a *x @a %a | > [a a] :a = << ... --- a\\ \\/
    \\x41 \\n a\u00a0 \u00a0 \u2028 \u0085 \u0007 \u200b \u00e9 \u{1f600} it's \`a\``),
  ...[
    'Asks about an epic',
    'a # no comment',
    'a #comment',
    'a: b',
    '"quoted" text',
    '- a',
    '? a',
    '{a: b}',
  ],
  ...['a, b', '', ' ', 'a\tb', 'a\t# b'],
];
const SPECIAL = fc.constantFrom(...Array.from('-+_.,:eEx0159TZ~ "\'#[]{}&*!|>%@'));
const DAMAGE = Array.from(
  ' \t\n\r:-#\'"[]{},&*!|>%?@`\\.~0\u00a0\u0085\u2028\u2029\ufeff\u0000\u007f',
);

function words(text: string): string[] {
  return text.split(/[ \n]+/);
}

/** Files of unit primitives as people write them: well, badly, with every feature of YAML, or damaged. */
export function writtenDocuments(): fc.Arbitrary<string> {
  const lines = fc.oneof(
    { weight: 9, arbitrary: fc.uniqueArray(line(), { maxLength: 6, selector: fieldOf }) },
    { weight: 1, arbitrary: fc.array(line(), { maxLength: 6 }) },
  );
  const text = fc
    .tuple(mostly('', ...FRONTS), lines, mostly('', ...ENDS))
    .map(([front, written, end]) => {
      const all = ['name: ask_epic', 'description: Asks', ...written, ''];
      return front + all.join('\n') + end;
    });
  return fc.oneof(
    { weight: 7, arbitrary: text },
    { weight: 1, arbitrary: text.map((each) => each.replaceAll('\n', '\r\n')) },
    { weight: 3, arbitrary: damaged(text) },
  );
}

function fieldOf(written: string): string {
  return written.slice(0, written.indexOf(':'));
}

function mostly(usual: string, ...others: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
}

function line(): fc.Arbitrary<string> {
  const colon = mostly(': ', ':', ' : ', ':  ', ':\t', ':\n  ');
  const written = fc.oneof(
    { weight: 8, arbitrary: joined(fc.constantFrom(...FIELDS), colon, value()) },
    { weight: 5, arbitrary: joined(fc.constantFrom(...LISTS), fc.constant(':'), names()) },
    { weight: 1, arbitrary: joined(fc.constantFrom(...OTHERS), fc.constant(': '), value()) },
    { weight: 9, arbitrary: fc.constantFrom(...GOOD_LINES) },
  );
  return joined(written, mostly('', ' # why', '  #', '#no comment', ' ', '\t'));
}

function joined(...parts: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts).map((texts) => texts.join(''));
}

function scalar(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom(...TEXTS, ...WORDS, ...NUMBERS),
    fc.constantFrom(...DATES),
    fc.string({ unit: SPECIAL, maxLength: 6 }),
  );
}

function value(): fc.Arbitrary<string> {
  const plain = scalar();
  const block = fc.constantFrom('|\n  ', '>\n  ', '|-\n  ', '>+\n  ', '|2\n  ', '|+ # c\n  ');
  return fc.oneof(
    { weight: 6, arbitrary: plain },
    { weight: 2, arbitrary: plain.map((text) => `'${text.replaceAll("'", "''")}'`) },
    { weight: 2, arbitrary: plain.map((text) => `"${text.replaceAll('"', '\\"')}"`) },
    joined(block, plain, fc.constant('\n')),
    joined(plain, fc.constant('\n  '), plain),
    fc.tuple(plain, plain).map(([one, other]) => `"${one}\n\n  ${other}"`),
    joined(fc.constantFrom(...TAGS), fc.constant(' '), plain),
    names(),
  );
}

function names(): fc.Arbitrary<string> {
  const good = fc.constantFrom('duo_pro', 'ultimate', 'a-b', '"x"', '*x');
  const name = fc.oneof({ weight: 4, arbitrary: good }, scalar());
  const bullets = ['\n  - ', '\n- ', '\n    - ', '\n  -   ', '\n\t- ', '\n  # c\n  - '];
  const style = fc.constantFrom(...bullets, ', ', ', ', ',\n  ');
  return fc.tuple(fc.array(name, { maxLength: 3 }), style).map(([items, between]) => {
    if (bullets.includes(between)) return items.map((item) => between + item).join('');
    return between.includes('\n')
      ? ` [\n  ${items.join(between)},\n]`
      : ` [${items.join(between)}]`;
  });
}

/** A text with a character more, less, or replaced. */
function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(), fc.constantFrom('', ...DAMAGE), fc.nat(1))
    .map(([whole, place, inserted, replaced]) => {
      const at = place % (whole.length + 1);
      return whole.slice(0, at) + inserted + whole.slice(at + (inserted === '' ? 1 : replaced));
    });
}
