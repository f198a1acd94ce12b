import { type Document, isAlias, isScalar, LineCounter, parseDocument, Scalar, visit } from 'yaml';

import { plainScalar } from './plain-scalar.js';

interface YamlFault {
  /** `(line 3)`. */
  readonly field: string;
  readonly reason: string;
}

export interface YamlReading {
  /** Made of mappings and lists; a value is a text, null, a `Date` or a `NotText`. */
  readonly document: unknown;
  /** Empty if the document could be read. */
  readonly faults: readonly YamlFault[];
}

interface Trouble {
  readonly offset: number;
  readonly reason: string;
}

// A few aliases do no harm; many of them can fill the memory.
const MAX_ALIASES = 10;
/**
 * YAML forbids the control characters. The others end a line, or mean a blank, to some readers only, and a
 * backslash at the end of a line joins it to the next one in different ways. A tab is harmless in a line
 * that is a comment.
 */
const UNREADABLE =
  /[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]|\r|\\(?=\n)|[\u2028\u2029\ufeff]|(?<=^(?! *#).*)\t/mu;
/** The faults of syntax after the first ones follow from those. */
const MAX_FAULTS = 5;
const NO_COMMON_MEANING =
  'is neither a text nor a date such as 2024-10-17T00:00:00Z to readers of YAML: quote a text';
const ANCHOR = /^[\w-]+$/;
/** PyYAML takes no others. */
const NOT_AN_ANCHOR =
  'has an anchor with other signs than letters, digits, - and _, or that stands here twice';
const BLOCK = /^BLOCK/;
const BYTE_ORDER_MARK = /^\ufeff/;
const DIRECTIVE = /^%/m;

/**
 * Reads one YAML document as Psych and PyYAML read it, or refuses it. The parser leaves every value a text;
 * `plainScalar` says what it means to those two.
 */
export function readYaml(written: string): YamlReading {
  // The parser reads some block texts otherwise when their lines end in CR LF.
  const text = written.replace(BYTE_ORDER_MARK, '').replaceAll('\r\n', '\n');
  const lines = new LineCounter();
  try {
    const parsed = parseDocument(text, {
      schema: 'failsafe',
      uniqueKeys: true,
      stringKeys: true,
      prettyErrors: false,
      lineCounter: lines,
    });
    const troubles = [...syntaxTroubles(text, parsed), ...resolvePlainScalars(parsed)];
    const faults = troubles.slice(0, MAX_FAULTS).map(({ offset, reason }) => ({
      field: `(line ${lines.linePos(offset).line})`,
      reason,
    }));
    if (faults.length > 0) return { document: undefined, faults };
    return { document: parsed.toJS({ maxAliasCount: MAX_ALIASES }), faults: [] };
  } catch (error) {
    return { document: undefined, faults: [faultOf(error)] };
  }
}

function faultOf(error: unknown): YamlFault {
  if (error instanceof RangeError) return { field: '(file)', reason: 'has too many levels' };
  const reason = error instanceof Error ? error.message : 'cannot be resolved';
  return { field: '(aliases)', reason };
}

function syntaxTroubles(text: string, { errors }: Document.Parsed): Trouble[] {
  const troubles = errors.map(({ pos, message }) => ({ offset: pos[0], reason: message }));
  const character = UNREADABLE.exec(text);
  if (character) {
    const code = character[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0') ?? '';
    const reason = `has the character U+${code}, which readers of YAML take differently: remove it`;
    troubles.push({ offset: character.index, reason });
  }
  const directive = DIRECTIVE.exec(text);
  if (directive) troubles.push({ offset: directive.index, reason: 'directives are not read here' });
  return troubles;
}

/** Gives each value without quotes its meaning. Reports tags, and keys that are not text. */
function resolvePlainScalars(parsed: Document.Parsed): Trouble[] {
  const troubles: Trouble[] = [];
  const anchors = new Set<string>();
  visit(parsed, {
    Node: (position, node) => {
      const report = (reason: string) => {
        troubles.push({ offset: node.range?.[0] ?? 0, reason });
      };
      if (!isAlias(node) && node.tag !== undefined) {
        report(`has the tag ${node.tag}: tags are not read here, quote a text instead`);
      }
      if (!isAlias(node) && node.anchor !== undefined) {
        if (!ANCHOR.test(node.anchor) || anchors.has(node.anchor)) report(NOT_AN_ANCHOR);
        anchors.add(node.anchor);
      }
      if (!isScalar(node) || typeof node.value !== 'string') return;
      if (BLOCK.test(node.type ?? '') && node.value.trim() === '')
        report('is a block text of blanks only');
      const meaning = node.type === Scalar.PLAIN ? plainScalar(node.value) : node.value;
      if (position === 'key') {
        // Psych merges the mapping below `<<` even when it is quoted.
        if (meaning !== node.value || meaning === '<<')
          report(`'${node.value}' cannot name a field`);
        return;
      }
      if (meaning === undefined) report(`${node.value} ${NO_COMMON_MEANING}`);
      node.value = meaning;
    },
  });
  return troubles;
}
