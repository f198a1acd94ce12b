import fc from 'fast-check';
import { couldBeJson } from './graphql-limits.js';

const SYNC = `cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) {
  serviceToken { token expiresAt }
}`;
const VARIABLES = '($licenseKey: String!, $gitlabVersion: String!)';

describe('couldBeJson', () => {
  const blanks = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 4 });

  it('is true for everything that a JSON parser accepts', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), blanks, blanks, (text, before, after) => {
        expect(couldBeJson(`${before}${text}${after}`)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('is true for any text, however odd, that a JSON parser accepts', () => {
    const snippets = ['{', '}', '[', ']', '"', ':', ',', '-', '0', '1e9', 'true', 'null', '\\'];
    const unit = fc.constantFrom(...snippets, 'false', 'a', ' ', '\n', '#', '\u00a0', '\ufeff');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 6 }), (text) => {
        fc.pre(isJson(text));
        expect(couldBeJson(text)).toBe(true);
      }),
      { numRuns: 2000, maxSkipsPerRun: 1000 },
    );
  });

  it.each([
    '{"kind":"Document","definitions":[]}',
    ' \r\n\t{ \n "kind": "Document" }',
    '{}',
    '{ }',
    '[]',
    '"text"',
    '0',
    '-1',
    'true',
    'false',
    'null',
  ])('is true for %j', (text) => {
    expect(couldBeJson(text)).toBe(true);
  });

  it.each([
    ['a named query', `query cloudConnectorAccess${VARIABLES} { ${SYNC} }`],
    ['an anonymous query', `query${VARIABLES} { ${SYNC} }`],
    ['a query over several lines', `\n  query cloudConnectorAccess${VARIABLES} {\n  ${SYNC}\n}\n`],
    [
      'the short form',
      '{ cloudConnectorAccess(licenseKey: "key", gitlabVersion: "18.5") { catalog } }',
    ],
    ['the short form without blanks', '{cloudConnectorAccess{catalog}}'],
    ['a short form that starts with a comment', '{ # all\n cloudConnectorAccess { catalog } }'],
    ['a short form that starts with a fragment', '{ ...access }'],
    ['a comment first', `# sync\nquery${VARIABLES} { ${SYNC} }`],
    ['a fragment first', 'fragment access on Query { catalog } query { ...access }'],
    [
      'a mutation',
      'mutation($code: String!) { cloudActivationActivate(input: { a: $code }) { errors } }',
    ],
    ['a comma first, which GraphQL ignores', ', query { catalog }'],
    ['nothing', ''],
  ])('is false for documents of clients: %s', (_what, document) => {
    expect(couldBeJson(document)).toBe(false);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
